"""Checkpoints of a run: ``last.ckpt`` to go on from, ``<stage>.ckpt`` to sample from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genrl import checkpoints
from genrl.callbacks.base import (
    RunContext,
    StageCallback,
    are_told_to_end,
    callbacks,
    followers_of,
)
from genrl.callbacks.ema import EMACallback
from genrl.diffusion import Stage
from genrl.sharding import whole

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import StagedModule


@callbacks.register("checkpoint")
class CheckpointCallback(StageCallback["StagedModule"]):
    """Writes ``last.ckpt`` every so many updates, and the student of each finished stage.

    Args:
        context: of the run; its config is stored in each stage's checkpoint, which can be opened
            alone.
        every: updates between two writes of ``last.ckpt``, >= 1.
    """

    def __init__(self, context: RunContext, *, every: int = 200) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.folder, self.config, self.every = context.folder, context.config, every

    def on_stage_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Write the finished student."""
        averages: dict[str, Any] = {}
        for callback in followers_of(trainer):
            if isinstance(callback, EMACallback):
                averages = callback.state_dict()
        model = whole(module.model.state_dict())  # by every process, for it may communicate
        if trainer.is_global_zero:
            checkpoints.save(
                self.folder.stage_checkpoint(stage.name),
                {
                    "genrl": {
                        "stage": stage.name,
                        "num_steps": stage.num_steps,
                        "is_guided": stage.is_guided,
                        "updates": module.updates,
                        "config": self.config,
                        **module.about(),
                    },
                    "state_dict": model,
                    "averages": averages,
                },
            )
        if module.is_over:
            trainer.save_checkpoint(self.folder.last)

    def on_stage_start(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """The first point to go back to."""
        if module.position.step == 0:
            trainer.save_checkpoint(self.folder.last)

    def on_update_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Write when it is time; a stage's last update is left to the start of the next one."""
        if module.position.step == 0 or module.is_over:
            return
        is_told_to_end = are_told_to_end(trainer)
        if module.updates % self.every == 0 or is_told_to_end:
            trainer.save_checkpoint(self.folder.last)
