"""The page of agents, in its order: what came out, in a sentence; results; learning curves; videos;
learned rewards; training; every run; config; versions.
"""

from collections.abc import Sequence

from genrl.report import sections as common
from genrl.report.agents import sections
from genrl.report.agents.findings import headlines
from genrl.report.agents.groups import Group, grouped, repeated
from genrl.report.agents.reading import AgentRun
from genrl.report.agents.tables import every_run, swatch
from genrl.report.agents.words import counted
from genrl.report.document import document, letter, missing
from genrl.report.markup import Markup, element, join


def agents_page(runs: Sequence[AgentRun]) -> str:
    """The HTML of the report of one run, or of several by method and seed."""
    labels = [letter(i) for i in range(len(runs))]
    groups = grouped(runs)
    parts = [
        sections.result(groups),
        sections.learning(groups),
        sections.films(groups),
        sections.rewards(groups),
        sections.training(groups),
        common.section("Every run", every_run(runs, labels, groups)),
        common.configs(runs, labels),
        common.versions(runs, labels),
    ]
    title = _title(runs, groups)
    return document(title, _opening(runs, labels, groups, title), parts)


def _title(runs: Sequence[AgentRun], groups: Sequence[Group]) -> str:
    if len(runs) == 1:
        return runs[0].name
    if len(groups) == 1:
        return f"{groups[0].method} on {groups[0].env}, {len(runs)} runs"
    methods, envs = {group.method for group in groups}, {group.env for group in groups}
    where = groups[0].env if len(envs) == 1 else f"{len(envs)} environments"
    return f"{len(runs)} runs: {counted(len(methods), 'method')} on {where}"


def _opening(
    runs: Sequence[AgentRun], labels: Sequence[str], groups: Sequence[Group], title: str
) -> Markup:
    said = []
    if len(runs) == 1:
        facts = [f"seed {runs[0].seed}", runs[0].env, groups[0].method]
        said.append(element("p", " · ".join(facts), class_="facts"))
    else:
        methods = {group.method: group for group in groups}
        items = [_legend(group, groups) for group in methods.values()]
        said.append(element("ul", *items, class_="legend"))
    several = len({group.env for group in groups}) > 1
    style = "headline several" if several else "headline"
    said += [element("p", text, class_=style) for text in headlines(groups)]
    problems = [[*run.problems] for run in runs]
    for run in repeated(runs):
        problems[runs.index(run)].append(
            f"its config and seed {run.seed} are those of an earlier run; it is left out of "
            "tables and curves of methods."
        )
    said.append(missing(problems, labels))
    return element("header", element("h1", title), join(*said))


def _legend(group: Group, groups: Sequence[Group]) -> Markup:
    seeds = [run.seed for other in groups if other.method == group.method for run in other.runs]
    listed = ", ".join(dict.fromkeys(seeds))
    word = "seed" if len(set(seeds)) == 1 else "seeds"
    return element("li", swatch(group), f" {word} {listed}")
