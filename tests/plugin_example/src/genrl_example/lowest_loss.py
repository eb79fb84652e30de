"""Remembers the lowest loss of each stage and when it was reached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.diffusion import Stage
from genrl.files import write_text

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import DiffusionModule


@callbacks.register("lowest_loss")
class LowestLossCallback(StageCallback["DiffusionModule"]):
    """Writes {stage: {loss, update}} to RUN/lowest_loss.json at the end of each stage.

    Args:
        context: of the run.
        from_update: of the run, before which losses are not looked at.
    """

    def __init__(self, context: RunContext, *, from_update: int = 0) -> None:
        self.path, self.from_update = context.folder.path / "lowest_loss.json", from_update
        self.lowest: dict[str, dict[str, float]] = {}

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Compare."""
        if module.updates < self.from_update or not module.metrics:
            return
        loss, known = module.metrics["loss"].item(), self.lowest.get(stage.name)
        if known is None or loss < known["loss"]:
            self.lowest[stage.name] = {"loss": loss, "update": module.updates}

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Write."""
        if trainer.is_global_zero:
            write_text(self.path, json.dumps(self.lowest, indent=1) + "\n")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run goes on with."""
        return {stage: dict(found) for stage, found in self.lowest.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.lowest = {stage: dict(found) for stage, found in state_dict.items()}
