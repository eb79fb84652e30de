"""Stages of a run, and the contract of a ladder: which stages follow the teacher."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from genrl.registry import Registry

ladders: Registry["Ladder"] = Registry("distill")


@dataclass(frozen=True)
class Stage:
    """A part of a run with one objective.

    Args:
        name: unique in the run; also the name of its checkpoint.
        objective: config of the registered objective: ``name`` and parameters.
        updates: length.
        learning_rate: at its start; it falls linearly to zero.
        num_steps: sampling steps the student is trained for; None where any number will do.
        is_guided: whether the student takes the guidance weight w as an input.
        use_ema: whether the student takes its EMA at the end.
    """

    name: str
    objective: dict[str, Any] = field(hash=False)
    updates: int
    learning_rate: float
    num_steps: int | None = None
    is_guided: bool = False
    use_ema: bool = False


class Ladder(abc.ABC):
    """The stages that distil a teacher."""

    @abc.abstractmethod
    def stages(self) -> list[Stage]:
        """In order; the first one's teacher is the trained model of the run."""


def guided_stage(w_range: dict[str, float], updates: int, learning_rate: float) -> Stage:
    """The stage that puts the guidance weight into the student (Meng et al. 2022, algorithm 1).

    Args:
        w_range: ``w_min``, ``w_max`` and ``w_exponent``.
        updates: length.
        learning_rate: at its start.

    Raises:
        ValueError: if the range is empty or reaches below -1, the unconditional model.
    """
    low, high = w_range["w_min"], w_range["w_max"]
    if high < low or low < -1:
        raise ValueError(f"w runs from w_min >= -1 to w_max, not from {low} to {high}")
    objective = {"name": "guided_distillation", **w_range}
    return Stage("guided", objective, updates, learning_rate, is_guided=True)


@dataclass(frozen=True)
class Position:
    """Where an update lies: the index of its stage and its number within the stage."""

    index: int
    step: int


def position(stages: Sequence[Stage], update: int) -> Position:
    """The stage of an update, a pure function of the count; the run's end is in the last.

    Args:
        stages: of the run.
        update: number of updates done, from 0 to the sum over all stages.
    """
    start = 0
    for index, stage in enumerate(stages):
        if update < start + stage.updates or index == len(stages) - 1:
            return Position(index, update - start)
        start += stage.updates
    raise AssertionError("a run has at least one stage")
