"""The contract of a callback that follows the stages of a run.

Lightning is imported by the modules that run it, not by the callbacks that can be chosen: importing
it takes longer than listing every component.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from genrl.diffusion import Stage
from genrl.evaluation.ladder import LadderEvaluation
from genrl.registry import Registry
from genrl.run_folder import RunFolder

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import StagedModule

M = TypeVar("M", bound="StagedModule")

callbacks: Registry["StageCallback[Any]"] = Registry("callback")


class ToldToEnd(Exception):
    """SIGTERM came in the middle of an evaluation, which a resumed run makes again."""


@dataclass(frozen=True)
class RunContext:
    """What a callback may know of the run; the one collaborator of every callback.

    Args:
        folder: of the run.
        config: of the run, plain.
        make_evaluation: prepares data and feature for a plan of what to evaluate; None for runs
            of agents.
        expert_returns: of the demonstrations' episodes; None where there are none.
    """

    folder: RunFolder
    config: dict[str, Any]
    make_evaluation: Callable[..., LadderEvaluation] | None = None
    expert_returns: Sequence[float] | None = None


class StageCallback(Generic[M]):
    """Three hooks, which `StagesCallback` calls in order, and a state that checkpoints keep."""

    @property
    def state_key(self) -> str:
        """Of the state in a checkpoint; another one where a run has two of a class."""
        return type(self).__qualname__

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; nothing where there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`; called where that was not empty."""

    def on_update_end(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """After an update of the stage; ``module.updates`` counts it."""

    def on_stage_end(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """After the last update of the stage, before the student becomes the next teacher."""

    def on_stage_start(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """Before the first update of the stage, and where a resumed run goes on."""


def followers_of(trainer: Trainer) -> list[StageCallback[Any]]:
    """All that follow the stages of a trainer's run."""
    listed = trainer.callbacks  # type: ignore[attr-defined]
    return [follower for callback in listed for follower in getattr(callback, "followers", [])]


def are_told_to_end(trainer: Trainer) -> bool:
    """Whether a process of the run was sent SIGTERM; Lightning ends training after this update."""
    if trainer.world_size == 1:
        return trainer.received_sigterm
    # Writing and ending are joint acts: either every process does it or none.
    is_any = trainer.strategy.reduce_boolean_decision(trainer.received_sigterm, all=False)
    if is_any:
        trainer._signal_connector.received_sigterm = True
    return is_any
