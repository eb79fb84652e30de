"""Exponential moving averages of the student's weights.

θ̄ ← d θ̄ + (1 - d) θ,  d = min(decay, (1 + n) / (10 + n)) after n updates of the stage.

Kept in float32 whatever the training precision, several horizons at once, restarted at each stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.diffusion import Stage
from genrl.sharding import divided_like, local, whole

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import DiffusionModule


@callbacks.register("ema")
class EMACallback(StageCallback["DiffusionModule"]):
    """Moving averages of the weights; the first one becomes the student where a stage asks.

    Args:
        context: of the run.
        decays: one average for each, in (0, 1); the horizon is about 1 / (1 - decay) updates.

    Raises:
        ValueError: if a decay lies outside of (0, 1) or none is given.
    """

    def __init__(self, context: RunContext, *, decays: tuple[float, ...] = (0.999,)) -> None:
        if not decays or any(not 0 < decay < 1 for decay in decays):
            raise ValueError(f"decays must lie between 0 and 1, at least one: {decays}")
        self.decays = decays
        self.averages: dict[float, dict[str, Tensor]] = {}

    def on_stage_start(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Begin at the student's weights, unless a checkpoint of this stage brought averages."""
        if not stage.use_ema:
            self.averages = {}
        elif not self.averages or module.position.step == 0:
            self.averages = {decay: float_weights(module) for decay in self.decays}
        else:
            self.averages = on_device(self.averages, module)

    @torch.no_grad()
    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """One step of every average."""
        if not self.averages:
            return
        weights = float_weights(module, copy=False)
        count = module.updates - sum(s.updates for s in module.stages[: module.stages.index(stage)])
        for decay, average in self.averages.items():
            rate = 1 - min(decay, (1 + count) / (10 + count))
            follow(average, weights, rate)

    def on_stage_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """The student takes the first average; all are kept until the next stage starts."""
        if self.averages:
            module.denoiser.load_state_dict(self.averages[self.decays[0]], strict=False)

    def state_dict(self) -> dict[str, Any]:
        """Decay (as text) -> average; of weights that are divided, put together."""
        return {str(decay): whole(average) for decay, average in self.averages.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.averages = {float(decay): dict(average) for decay, average in state_dict.items()}


def float_weights(module: DiffusionModule, copy: bool = True) -> dict[str, Tensor]:
    """The student's parameters in float32, as copies or as they are."""
    weights = {name: p.detach().float() for name, p in module.denoiser.named_parameters()}
    return {name: value.clone() for name, value in weights.items()} if copy else weights


def follow(average: dict[str, Tensor], weights: dict[str, Tensor], rate: float) -> None:
    """θ̄ ← θ̄ + rate (θ - θ̄); of divided weights, each process' part."""
    parts = [local(weights[name]) for name in average]
    torch._foreach_lerp_([local(value) for value in average.values()], parts, rate)


def on_device(
    averages: dict[float, dict[str, Tensor]], module: DiffusionModule
) -> dict[float, dict[str, Tensor]]:
    """Averages that a checkpoint brought, where the weights lie, divided as they are."""
    weights = dict(module.denoiser.named_parameters())
    return {
        key: {name: divided_like(value, weights[name]) for name, value in average.items()}
        for key, average in averages.items()
    }
