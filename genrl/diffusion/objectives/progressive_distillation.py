"""Progressive distillation: the student does in one step what its teacher does in several.

E ω(t) ||x̂_student(z_t, label, w) - x_target||²,  t one of the student's N grid points

x_target makes the student's DDIM step end where the teacher's steps through the finer grid end.
Student and teacher see the same z, label and w; a ladder of such stages leads from a thousand steps
to one. Salimans & Ho 2022; with w, Meng et al. 2022, stage 2.
"""

import torch

from genrl.diffusion.conditioning import bind
from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.distillation import progressive_target
from genrl.diffusion.noise import BatchGenerator, randint
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    balance_w,
    check_w,
    nested_times,
    noisy_start,
    objectives,
    x_loss,
)
from genrl.typing import Data, Labels


@objectives.register("progressive_distillation")
class ProgressiveDistillationObjective(Objective):
    """Weighted error to the x that stands for ``factor`` DDIM steps of the teacher.

    Args:
        steps: of the student's sampler; the teacher takes ``steps * factor``.
        factor: teacher steps for each student step, at least 2.
        w_min: smallest guidance weight.
        w_max: largest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether student and teacher are given w; it is not drawn for data without
            labels.

    Raises:
        ValueError: if ``steps < 1``, ``factor < 2``, not ``-1 <= w_min <= w_max``, or the time grid
            of ``steps`` is not every ``factor``-th point of the teacher's.
    """

    needs_teacher = True

    def __init__(
        self,
        parts: Parts,
        *,
        steps: int,
        factor: int = 2,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
    ) -> None:
        super().__init__(parts)
        check_w(w_min, w_max)
        self.steps = steps
        self.factor = factor
        self.w_min = w_min
        self.w_max = w_max
        self.w_exponent = w_exponent
        self.use_guidance = use_guidance
        self.times = nested_times(parts.time_grid, steps, factor)

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        if teacher is None:
            raise ValueError("progressive distillation needs a teacher")
        index = randint(self.steps, len(x), generator).to(x.device)
        points = index * self.factor + torch.arange(self.factor + 1, device=x.device)[:, None]
        times = self.times.to(x.device)[points]
        w_range = (self.w_min, self.w_max) if self.use_guidance and label is not None else None
        z, w = noisy_start(self.parts.schedule, x, times[0], w_range, generator)
        with torch.no_grad():
            target = progressive_target(bind(teacher, label, w), z, times, self.parts.schedule)
        t = times[0].to(torch.promote_types(x.dtype, torch.float32))
        prediction = student(z, t, label, w)
        weight = balance_w(self.parts.weighting(t), w, self.w_exponent)
        return x_loss(prediction.x, target, weight, self.parts.weighting.log_variance(t))
