"""Runs that differ in nothing but their seeds are one method on one environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genrl.evaluation.statistics import Summary, across_seeds, within_run
from genrl.report.agents.reading import AgentRun
from genrl.report.differences import differing
from genrl.report.sections import flattened

# What does not change what is learned.
_FREE = {"seed", "name", "device", "trainer", "logger", "progress", "checkpoint", "callbacks"}


@dataclass(frozen=True)
class Group:
    """The runs of a method on an environment, one for each seed.

    Args:
        env: id of the environment.
        method: what tells it from the other groups on the page.
        runs: at least one, each of another seed.
        index: of the method on the page, for its colour.
    """

    env: str
    method: str
    runs: tuple[AgentRun, ...]
    index: int

    @property
    def style(self) -> str:
        """Colour of the method; from the seventh on dashed."""
        return f"s{self.index % 6}" + (" dashed" if self.index >= 6 else "")

    @property
    def is_control(self) -> bool:
        """Whether its reward is the same whatever the agent does."""
        return self.runs[0].imitation_loss == "constant"

    @cached_property
    def evaluated(self) -> tuple[AgentRun, ...]:
        """Runs with at least one evaluation."""
        return tuple(run for run in self.runs if run.evaluations)

    @cached_property
    def result(self) -> Summary | None:
        """Of the last evaluations: across seeds, or within the run where there is one."""
        finals = [run.evaluations[-1].returns for run in self.evaluated]
        if not finals:
            return None
        rng = np.random.default_rng(0)
        return within_run(finals[0], rng=rng) if len(finals) == 1 else across_seeds(finals, rng=rng)

    @property
    def scores(self) -> list[float]:
        """Of each seed: the mean over the episodes of its last evaluation."""
        return [run.evaluations[-1].score for run in self.evaluated]

    @property
    def expert_return(self) -> float | None:
        """Mean return of the demonstrations; the mean over seeds where they differ."""
        known = [run.expert_return for run in self.runs if run.expert_return is not None]
        return float(np.mean(known)) if known else None

    def part_of(self, expert: float | None) -> float | None:
        """The result in units of the expert's return, where that is positive."""
        if self.result is None or expert is None or expert <= 0:
            return None
        return self.result.score / expert


def grouped(runs: Sequence[AgentRun]) -> list[Group]:
    """Groups in the order of their first runs."""
    members: dict[str, list[AgentRun]] = {}
    for run in runs:
        if run not in repeated(runs):
            members.setdefault(repr(_key(run)), []).append(run)
    names = _names([found[0] for found in members.values()])
    methods = list(dict.fromkeys(names))
    return [
        Group(found[0].env, name, tuple(found), methods.index(name))
        for found, name in zip(members.values(), names, strict=True)
    ]


def repeated(runs: Sequence[AgentRun]) -> list[AgentRun]:
    """Runs whose config and seed an earlier one has already: they are no further evidence."""
    seen: set[tuple[str, str]] = set()
    found = []
    for run in runs:
        key = repr(_key(run)), run.seed if run.config else str(run.path)
        if key in seen:
            found.append(run)
        seen.add(key)
    return found


def by_env(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Groups of each environment."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.env, []).append(group)
    return found


def expert_return(groups: Sequence[Group]) -> float | None:
    """Of the demonstrations on an environment; None where methods learned from different ones."""
    known = {group.expert_return for group in groups} - {None}
    return known.pop() if len(known) == 1 else None


def _key(run: AgentRun) -> dict[str, str]:
    config = {key: value for key, value in run.config.items() if key not in _FREE}
    return {"env": run.env, **flattened(config)} if config else {"path": str(run.path)}


def _names(firsts: Sequence[AgentRun]) -> list[str]:
    """Imitation loss and learner, and further parameters where these do not tell apart."""
    short = [" · ".join(filter(None, (run.imitation_loss, run.learner))) for run in firsts]
    names = []
    for run, name in zip(firsts, short, strict=True):
        rivals = [
            other
            for other, its in zip(firsts, short, strict=True)
            if its == name and other.env == run.env
        ]
        names.append(name if len(rivals) == 1 else f"{name} ({_differing(run, rivals)})")
    return names


def _differing(run: AgentRun, rivals: Sequence[AgentRun]) -> str:
    """The parameters in which a run differs from the others of its name."""
    return differing(_key(run), [_key(other) for other in rivals]) or run.path.name
