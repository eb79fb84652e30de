"""The tables of the page: results by method, methods against each other, every run."""

from collections.abc import Sequence

import numpy as np

from genrl.evaluation.statistics import (
    interquartile_mean,
    optimality_gap,
    percentile_interval,
    probability_of_improvement,
    stratified_bootstrap,
    within_run,
)
from genrl.report.agents.findings import best_first
from genrl.report.agents.groups import Group, by_env, expert_return
from genrl.report.agents.reading import AgentRun
from genrl.report.agents.words import duration, interval, score
from genrl.report.markup import Markup, element, folded, join
from genrl.report.words import significant


def results(groups: Sequence[Group]) -> Markup:
    """A row for each method, the expert on top, best method first."""
    has_expert = any(group.expert_return is not None for group in groups)
    heads = ["method", "seeds", "return", "95 % interval"]
    heads += ["of the expert’s"] if has_expert else []
    heads += ["steps", "updates", "time"]
    expert = expert_return(groups)
    rows = [] if expert is None else [_expert_row(expert, len(heads))]
    ranked = best_first(groups)
    rows += [_row(group, has_expert, expert) for group in ranked]
    rows += [_row(group, has_expert, expert) for group in groups if group not in ranked]
    return table(heads, rows)


def _expert_row(expert: float, width: int) -> Markup:
    cells = ["", _exact(expert), "", "100 %" if expert > 0 else "", *[""] * (width - 5)]
    name = element("th", "expert ", element("small", "demonstrations"), scope="row")
    return element("tr", name, *(element("td", cell) for cell in cells), class_="is-reference")


def _row(group: Group, has_expert: bool, expert: float | None) -> Markup:
    tag = join(" ", element("small", "control", class_="tag")) if group.is_control else ""
    name = element("th", swatch(group), tag, scope="row")
    if group.result is None:
        return element("tr", name, element("td", f"{len(group.runs)}"), element("td", "–"))
    finals = [run.evaluations[-1] for run in group.evaluated]
    few = "" if group.result.unit == "seeds" else element("small", " of the episodes")
    cells: list[str] = [
        str(len(finals)),
        _exact(group.result.score),
        join(interval(group.result), few),
    ]
    if has_expert:
        # The control has no demonstrations of its own to be compared with.
        fraction = group.part_of(expert or group.expert_return)
        cells.append("–" if fraction is None else f"{100 * fraction:.1f} %")
    cells += [
        f"{max(e.env_steps for e in finals):,.0f}",
        f"{max(e.update for e in finals):,.0f}",
        duration(float(np.mean([e.seconds for e in finals]))),
    ]
    return element("tr", name, *(element("td", cell) for cell in cells))


def across_envs(groups: Sequence[Group]) -> Markup:
    """Scores in units of the expert's, over all environments; nothing where one has none."""
    envs = by_env(groups)
    experts = {env: expert_return(found) for env, found in envs.items()}
    methods = list(dict.fromkeys(group.method for group in groups))
    if len(envs) < 2 or any(value is None or value <= 0 for value in experts.values()):
        return join("")
    rows = []
    for method in methods:
        found = [group for group in groups if group.method == method and group.evaluated]
        if len({group.env for group in found}) < len(envs):
            continue
        strata = [np.array(group.scores) / (experts[group.env] or 1.0) for group in found]
        cells = [swatch(found[0]), str(sum(map(len, strata)))]
        for statistic in (interquartile_mean, optimality_gap):
            rng = np.random.default_rng(0)
            drawn = stratified_bootstrap(strata, statistic, rng=rng)
            between = percentile_interval(drawn)
            value = float(statistic(np.concatenate(strata)))
            text = f"{value:.3f} [{between.low:.3f}, {between.high:.3f}]"
            cells.append(text if max(map(len, strata)) > 1 else f"{value:.3f}")
        rows.append(
            element(
                "tr",
                element("th", cells[0], scope="row"),
                *(element("td", cell) for cell in cells[1:]),
            )
        )
    heads = ["method", "runs", "interquartile mean", "optimality gap"]
    return table(heads, rows) if rows else join("")


def improvements(groups: Sequence[Group]) -> Markup:
    """How likely a seed of one method beats one of another; nothing for fewer than two."""
    ranked = [group for group in best_first(groups) if len(group.scores) > 1]
    if len(ranked) < 2:
        return join("")
    rows = []
    for a in ranked:
        cells = [
            element(
                "td",
                ""
                if a is b
                else f"{100 * probability_of_improvement([a.scores], [b.scores]):.0f} %",
            )
            for b in ranked
        ]
        rows.append(element("tr", element("th", swatch(a), scope="row"), *cells))
    text = element("p", "How likely a seed of the method on the left beats one of that above.")
    head = "probability of improvement, method against method"
    return folded(head, join(text, table(["", *(group.method for group in ranked)], rows)))


def every_run(runs: Sequence[AgentRun], labels: Sequence[str], groups: Sequence[Group]) -> Markup:
    """A row for each run, with the interval over its own episodes."""
    methods = {id(run): group for group in groups for run in group.runs}
    has_envs = len({run.env for run in runs}) > 1
    rows = []
    for run, label in zip(runs, labels, strict=True):
        final, group = run.final, methods.get(id(run))
        cells = [run.env] if has_envs else []
        cells += [group.method if group else "left out", run.seed]
        if final is None:
            cells += ["–", "–", "–", "–", "–"]
        else:
            spread = float(np.std(final.returns, ddof=1)) if len(final.returns) > 1 else 0.0
            summary = within_run(final.returns, rng=np.random.default_rng(0))
            cells += [
                score(summary.score),
                interval(summary),
                f"{score(final.score)} ± {significant(spread)}",
                str(len(final.returns)),
                f"{final.env_steps:,.0f}",
            ]
        cells.append(run.path.name)
        name = element("th", label, scope="row")
        rows.append(element("tr", name, *(element("td", cell) for cell in cells)))
    heads = ["run", *(["environment"] if has_envs else []), "method", "seed"]
    heads += ["interquartile mean", "95 % interval", "mean ± std", "episodes", "steps", "folder"]
    return table(heads, rows)


def swatch(group: Group) -> Markup:
    """The method's name in its colour."""
    return element("b", group.method, class_=f"swatch {group.style}")


def table(heads: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A table that scrolls sideways on its own where it is wider than the screen."""
    head = element("thead", element("tr", *(element("th", h, scope="col") for h in heads)))
    inner = element("table", head, element("tbody", *rows))
    return element("div", inner, class_="scroll", tabindex="0")


def _exact(value: float) -> Markup:
    """A rounded number that carries the exact one."""
    return element("data", score(value), value=repr(value))
