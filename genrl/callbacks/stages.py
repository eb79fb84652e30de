"""Leads a run through its stages by the number of updates alone, after every resume too."""

import math
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch import Callback

from genrl.callbacks.base import StageCallback
from genrl.modules import DivergenceError, StagedModule
from genrl.registry import ConfigurationError


class StagesCallback(Callback):
    """Counts updates, checks that they are finite, and switches stages.

    Args:
        followers: called at the end of updates and stages, in this order.
        last_checkpoint: how to name the last good checkpoint when training diverges.
        check_every: updates between two checks where checking waits for the device (not on the
            CPU).
    """

    def __init__(
        self, followers: list[StageCallback[Any]], last_checkpoint: str, check_every: int = 20
    ) -> None:
        stateless = StageCallback.state_dict
        keys = [f.state_key for f in followers if type(f).state_dict is not stateless]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ConfigurationError(
                f"two callbacks keep their state under '{twice}': give one of their classes "
                "another state_key, or take one of them"
            )
        self.followers = followers
        self.last_checkpoint = last_checkpoint
        self.check_every = check_every
        self._suspect: torch.Tensor | None = None

    def state_dict(self) -> dict[str, Any]:
        """The states of the followers that have one."""
        states = {follower.state_key: follower.state_dict() for follower in self.followers}
        return {key: state for key, state in states.items() if state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        for follower in self.followers:
            if follower.state_key in state_dict:
                follower.load_state_dict(state_dict[follower.state_key])

    def on_train_start(self, trainer: Trainer, pl_module: StagedModule) -> None:  # type: ignore[override]
        for follower in self.followers:
            follower.on_stage_start(trainer, pl_module, pl_module.stage)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: StagedModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        before = pl_module.position.index
        stage = pl_module.stages[before]
        pl_module.updates += 1
        is_over = pl_module.is_over
        is_stage_end = is_over or pl_module.position.index != before
        self._check(pl_module, stage.name, is_stage_end)
        for follower in self.followers:
            follower.on_update_end(trainer, pl_module, stage)
        if not is_stage_end:
            return
        for follower in self.followers:
            follower.on_stage_end(trainer, pl_module, stage)
        if is_over:
            return
        pl_module.start_next_stage()
        for follower in self.followers:
            follower.on_stage_start(trainer, pl_module, pl_module.stage)

    def _check(self, module: StagedModule, stage: str, is_stage_end: bool) -> None:
        """NaN and infinity survive addition: one look at a sum is a look at many updates."""
        value = module.health()
        self._suspect = value if self._suspect is None else self._suspect + value
        on_cpu = value.device.type == "cpu"
        if not (on_cpu or is_stage_end or module.updates % self.check_every == 0):
            return
        if not math.isfinite(self._suspect.item()):
            after = "" if on_cpu else f" or in the {self.check_every} before it"
            raise DivergenceError(
                f"loss or gradient became NaN or infinite in the stage '{stage}', "
                f"update {module.updates}{after}; "
                f"the last good checkpoint is {self.last_checkpoint}. "
                "Lower the learning rate, or look for NaN in the data"
            )
        self._suspect = None
