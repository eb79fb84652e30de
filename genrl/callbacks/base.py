"""The contract of a callback that follows the stages of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lightning import Trainer
from lightning.pytorch import Callback

from genrl.diffusion import Stage
from genrl.evaluation.ladder import LadderEvaluation
from genrl.modules import StagedModule
from genrl.registry import Registry
from genrl.run_folder import RunFolder

M = TypeVar("M", bound=StagedModule)

callbacks: Registry["StageCallback[Any]"] = Registry("callback")


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


class StageCallback(Callback, Generic[M]):
    """A Lightning callback with three more hooks, which `StagesCallback` calls in order.

    Stateless ones need no more; the others keep their state in Lightning's ``state_dict``.
    """

    def on_update_end(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """After an update of the stage; ``module.updates`` counts it."""

    def on_stage_end(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """After the last update of the stage, before the student becomes the next teacher."""

    def on_stage_start(self, trainer: Trainer, module: M, stage: Stage) -> None:
        """Before the first update of the stage, and where a resumed run goes on."""
