"""What the results say: the headline, sentence by sentence for each environment."""

from collections.abc import Sequence

from genrl.report.agents.groups import Group, by_env, expert_return
from genrl.report.agents.words import counted, interval, score
from genrl.report.reading import is_without_evaluation


def headlines(groups: Sequence[Group]) -> list[str]:
    """A paragraph for each environment."""
    return [_of(env, found) for env, found in by_env(groups).items()]


def best_first(groups: Sequence[Group]) -> list[Group]:
    """Groups with a result, the highest score first."""
    known = [(group.result.score, group) for group in groups if group.result is not None]
    return [group for _, group in sorted(known, key=lambda pair: -pair[0])]


def _of(env: str, groups: Sequence[Group]) -> str:
    ranked = best_first(groups)
    if not ranked:
        if all(is_without_evaluation(run.config) for group in groups for run in group.runs):
            return f"{env}: trained without evaluation (callback@evaluation=none)."
        return f"{env}: nothing has been evaluated yet."
    first, *others = ranked
    expert = expert_return(groups)
    said = [f"{env}: {first.method} reaches a return of {_result(first)}{_part(first, expert)}."]
    rivals = [group for group in others if not group.is_control]
    if rivals:
        listed = [f"{group.method} {_short(group)}" for group in rivals[:4]]
        more = f" and {counted(len(rivals) - 4, 'other')}" if len(rivals) > 4 else ""
        said.append(f"Then {', '.join(listed)}{more}.")
        if _overlap(first, rivals[0]):
            said.append("The intervals of the first two overlap.")
    controls = [group for group in others if group.is_control]
    said += [f"The constant control: {_short(group)}." for group in controls]
    if first.is_control and others:
        said.append("That is the constant control: no learned reward does better than none.")
    # A method's name stays on one line.
    return " ".join(said).replace(" · ", "\u00a0·\u00a0")


def _result(group: Group) -> str:
    assert group.result is not None
    steps = max(run.evaluations[-1].env_steps for run in group.evaluated)
    after = f" after {steps:,.0f} steps" if steps else ""
    if any(not run.summary for run in group.runs):
        after += ", so far"
    unit = group.result.unit.removesuffix("s")
    basis = counted(group.result.count, unit)
    if unit == "episode":
        basis += " of one seed"
    between = "" if group.result.interval is None else f" {interval(group.result)}"
    return f"{score(group.result.score)}{between} ({basis}){after}"


def _short(group: Group) -> str:
    assert group.result is not None
    return score(group.result.score)


def _part(group: Group, expert: float | None) -> str:
    if expert is None or group.result is None:
        return ""
    fraction = group.part_of(expert)
    if fraction is None:
        difference = group.result.score - expert
        word = "above" if difference >= 0 else "below"
        return f", {score(abs(difference))} {word} the expert’s {score(expert)}"
    return f", {100 * fraction:.0f} % of the expert’s {score(expert)}"


def _overlap(a: Group, b: Group) -> bool:
    assert a.result is not None
    assert b.result is not None
    one, two = a.result.interval, b.result.interval
    return one is not None and two is not None and one.low <= two.high and two.low <= one.high
