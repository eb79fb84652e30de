"""Guided distillation: one student learns a teacher's guided prediction for every guidance weight.

E ω(t) ||x̂_student(z, label, w) - [(1 + w) x̂(z, label) - w x̂(z, null)]||²,  w ~ U[w_min, w_max]

The student is given w, and its labels are not dropped. One evaluation then does what guidance needs
two for. Meng et al. 2022, stage 1.
"""

import torch

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.distillation import guided_target
from genrl.diffusion.noise import BatchGenerator
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    balance_w,
    check_w,
    noisy_start,
    objectives,
    x_loss,
)
from genrl.typing import Data, Labels


@objectives.register("guided_distillation")
class GuidedDistillationObjective(Objective):
    """Weighted error to the guided teacher's x; time and guidance weight are random.

    Args:
        w_min: smallest guidance weight, at least -1 (the unconditional model); 0 is the conditional
            one.
        w_max: largest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.

    Raises:
        ValueError: if not ``-1 <= w_min <= w_max``.
    """

    needs_teacher = True

    def __init__(
        self,
        parts: Parts,
        *,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
    ) -> None:
        super().__init__(parts)
        check_w(w_min, w_max)
        self.w_min = w_min
        self.w_max = w_max
        self.w_exponent = w_exponent

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        if teacher is None or label is None:
            raise ValueError("guided distillation needs a teacher and data with labels")
        t = self.parts.time_sampler.draw(len(x), generator)
        w_range = (self.w_min, self.w_max)
        z, w = noisy_start(self.parts.schedule, x, t, w_range, generator)
        assert w is not None
        with torch.no_grad():
            target = guided_target(self.parts.guidance, teacher, z, t, label, w)
        prediction = student(z, t, label, w)
        weight = balance_w(self.parts.weighting(t), w, self.w_exponent)
        return x_loss(prediction.x, target, weight, self.parts.weighting.log_variance(t))
