"""Averages from which that of any width can be made after training (``genrl ema``).

In every stage, the teacher's and each student's, a few averages with power-function profiles follow
the weights, and are stored at evenly spaced updates in ``averages/<stage>/<step>.ckpt``. Karras et
al. 2024, Analyzing and Improving the Training Dynamics of Diffusion Models, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from genrl import checkpoints
from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.callbacks.ema import float_weights, follow, on_device
from genrl.diffusion import Stage
from genrl.networks.power_average import decay, gamma_of
from genrl.sharding import whole

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import DiffusionModule


@callbacks.register("posthoc_ema")
class PosthocEMACallback(StageCallback["DiffusionModule"]):
    """Stores what ``genrl ema`` makes averages of any width from; the student stays as it is.

    A run keeps ``len(sigma_rels) · snapshots`` copies of the weights for each stage: with the
    defaults 32 in half precision, 64 bytes for each weight (20 MB a stage for the digits' network).

    Args:
        context: of the run.
        sigma_rels: widths of the averages that are followed, in (0, 0.288], as parts of the stage.
        snapshots: for each stage; the last one lies at its end.
        precision: of what is stored; half precision costs about 1e-3 of the weights.

    Raises:
        ValueError: if a width is out of its range, none is given, or there is no snapshot.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        sigma_rels: tuple[float, ...] = (0.05, 0.1),
        snapshots: int = 16,
        precision: Literal["float16", "float32"] = "float16",
    ) -> None:
        if not sigma_rels or snapshots < 1:
            raise ValueError("sigma_rels needs at least one width, and there must be a snapshot")
        self.gammas = {sigma_rel: gamma_of(sigma_rel) for sigma_rel in sigma_rels}
        self.folder, self.snapshots = context.folder, snapshots
        self.dtype = getattr(torch, precision)
        self.averages: dict[float, dict[str, Tensor]] = {}

    def on_stage_start(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """Begin anew, unless a checkpoint of this stage brought averages."""
        if not self.averages or module.position.step == 0:
            self.averages = {sigma_rel: float_weights(module) for sigma_rel in self.gammas}
        else:
            self.averages = on_device(self.averages, module)

    @torch.no_grad()
    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """One step of every average; a snapshot where one is due."""
        weights = float_weights(module, copy=False)
        step = module.updates - sum(s.updates for s in module.stages[: module.stages.index(stage)])
        for sigma_rel, average in self.averages.items():
            rate = 1 - decay(self.gammas[sigma_rel], step)
            follow(average, weights, rate)
        due = step * self.snapshots // stage.updates
        if due == (step - 1) * self.snapshots // stage.updates:
            return
        averages = self.state_dict()  # by every process, for it may communicate
        if trainer.is_global_zero:
            checkpoints.save(
                self.folder.snapshot(stage.name, step),
                {
                    "genrl": {"stage": stage.name, "step": step, "updates": stage.updates},
                    "averages": {
                        sigma_rel: {name: v.to(self.dtype) for name, v in average.items()}
                        for sigma_rel, average in averages.items()
                    },
                },
            )

    def state_dict(self) -> dict[str, Any]:
        """Width (as text) -> average."""
        return {str(sigma_rel): whole(average) for sigma_rel, average in self.averages.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.averages = {float(width): dict(average) for width, average in state_dict.items()}
