"""Transitive closure time-distillation: any number of the teacher's steps become one.

E ω(t) ||x̂_student(z_t, label, w) - x_target||²,  t one of the teacher's N · factor grid points

The points fall into N groups. From any point the teacher takes one step, and the student's own
moving average jumps on to the end of the group; x_target makes the student's step end there. What
is learned at the end of a group travels to its start, so a group may be long, and two stages lead
from a thousand steps to one. Berthelot et al. 2023.
"""

import copy

import torch

from genrl.diffusion.conditioning import bind
from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.distillation import self_taught_target
from genrl.diffusion.noise import BatchGenerator, randint
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    balance_w,
    check_decay,
    check_w,
    nested_times,
    noisy_start,
    objectives,
    x_loss,
)
from genrl.typing import Data, Labels


@objectives.register("tract")
class TractObjective(Objective):
    """Weighted error to a teacher's step followed by a jump of the student's own average.

    Args:
        steps: of the student's sampler.
        factor: teacher steps for each student step, at least 2.
        average_decay: of the average that jumps, in [0, 1); it must follow the student fast.
        w_min: smallest guidance weight.
        w_max: largest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether student and teacher are given w; it is not drawn for data without
            labels.

    Raises:
        ValueError: if ``steps < 1``, ``factor < 2``, ``average_decay`` or the range of w is
            impossible, or the time grid of ``steps`` is not every ``factor``-th point of the
            teacher's.
    """

    needs_teacher = True

    def __init__(
        self,
        parts: Parts,
        *,
        steps: int,
        factor: int = 8,
        average_decay: float = 0.5,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
    ) -> None:
        super().__init__(parts)
        check_w(w_min, w_max)
        check_decay(average_decay)
        self.steps, self.factor = steps, factor
        self.average_decay = average_decay
        self.w_min, self.w_max, self.w_exponent = w_min, w_max, w_exponent
        self.use_guidance = use_guidance
        self.times = nested_times(parts.time_grid, steps, factor)
        self._average: ConditionalDenoise | None = None

    def at(self, progress: float, average: ConditionalDenoise | None) -> "TractObjective":
        objective = copy.copy(self)
        objective._average = average
        return objective

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        if teacher is None:
            raise ValueError("TRACT needs a teacher")
        schedule, average = self.parts.schedule, self._average or student
        index = randint(self.steps * self.factor, len(x), generator).to(x.device)
        times = self.times.to(x.device)
        start, middle = times[index], times[index + 1]
        end = times[(index // self.factor + 1) * self.factor]
        w_range = (self.w_min, self.w_max) if self.use_guidance and label is not None else None
        z, w = noisy_start(schedule, x, start, w_range, generator)
        t = start.to(torch.promote_types(x.dtype, torch.float32))
        with torch.no_grad():
            first = teacher(z, t, label, w).x
            jump = bind(average, label, w)
            target = self_taught_target(first, jump, z, start, middle, end, schedule)
        weight = balance_w(self.parts.weighting(t), w, self.w_exponent)
        prediction = student(z, t, label, w)
        return x_loss(prediction.x, target, weight, self.parts.weighting.log_variance(t))
