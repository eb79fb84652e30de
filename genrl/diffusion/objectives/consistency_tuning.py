"""Easy consistency tuning (ECT): a consistency model from a diffusion model and data, no ODE step.

With σ̃ = σ / α, two noisy versions of one example with the same noise, at t and at a lower s, shall
lead to the same x; the student at s is its own target:

    E d(x̂(z_t) - sg x̂(z_s)) / (σ̃_t - σ̃_s),  d(e) = √(mean e² + c²) - c,  sg x̂(z_s) = x where s = 0
    σ̃_s = σ̃_t max(0, 1 - q^{-(i + 1)} (1 + k sigmoid(-b σ̃_t))),  i = 0, 1, ... doublings - 1

At first s is 0 for most t, which is diffusion training, and the gap shrinks by q at each of the
doublings. Geng et al. 2024, Consistency Models Made Easy.

Ours: the weight 1 / (σ̃_t - σ̃_s) is not let below 1, since these schedules reach σ̃ = e^10 and one
step starts there. And where the student takes w, the path is that of guidance: the example x is
moved by what w adds to the guided teacher's prediction, x + x̂(z_t, w) - x̂(z_t, 0), whose mean given
z_t is the guided prediction of a perfect teacher. At w = 0 this is the method as published.
"""

import copy

import torch
from torch import Tensor

from genrl.diffusion.conditioning import bind
from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.distillation import self_taught_target
from genrl.diffusion.noise import BatchGenerator, randn
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    balance_w,
    check_w,
    objectives,
    uniform_w,
)
from genrl.typing import Batch, Data, Labels


@objectives.register("consistency_tuning")
class ConsistencyTuningObjective(Objective):
    """Difference of the student's x at two noise levels of one example; the gap shrinks.

    Args:
        doublings: stages of the gap, each an equal part of the updates, at least 1.
        q: by which each stage divides the gap, above 1.
        k: how much wider the gap is at low noise, not negative.
        b: how fast it narrows with σ̃, not negative.
        huber: c of the metric, positive.
        w_min: smallest guidance weight.
        w_max: largest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether the student is given w; without it, and for data without labels, no
            teacher is needed.

    Raises:
        ValueError: if a number is out of its range.
    """

    average_decay = 0.0

    def __init__(
        self,
        parts: Parts,
        *,
        doublings: int = 8,
        q: float = 2.0,
        k: float = 8.0,
        b: float = 1.0,
        huber: float = 1e-3,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
    ) -> None:
        super().__init__(parts)
        check_w(w_min, w_max)
        if doublings < 1 or q <= 1 or k < 0 or b < 0 or huber <= 0:
            raise ValueError(
                "doublings >= 1, q > 1, k >= 0, b >= 0 and huber > 0 are needed, "
                f"not {doublings}, {q}, {k}, {b} and {huber}"
            )
        self.doublings, self.q, self.k, self.b, self.huber = doublings, q, k, b, huber
        self.w_min, self.w_max, self.w_exponent = w_min, w_max, w_exponent
        self.needs_teacher = use_guidance and parts.num_classes > 0
        self._progress = 0.0
        self._average: ConditionalDenoise | None = None

    @property
    def trainable(self) -> None:
        """Nothing: the weight is this objective's own."""

    def at(
        self, progress: float, average: ConditionalDenoise | None
    ) -> "ConsistencyTuningObjective":
        objective = copy.copy(self)
        objective._progress, objective._average = progress, average
        return objective

    def lower(self, sigma: Tensor) -> Tensor:
        """σ̃_s for σ̃_t at this point of the stage."""
        share = self.q ** -(int(self._progress * self.doublings) + 1)
        return sigma * (1 - share * (1 + self.k * torch.sigmoid(-self.b * sigma))).clamp(min=0)

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        t = self.parts.time_sampler.draw(len(x), generator)
        s, gap = self._pair(t.double())
        noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
        z = self.parts.schedule.perturb(x, t, noise)
        w, first = None, x
        with torch.no_grad():
            if self.needs_teacher and label is not None:
                if teacher is None:
                    raise ValueError("consistency tuning with guidance needs a guided teacher")
                w = uniform_w(self.w_min, self.w_max, len(x), generator)
                plain = teacher(z, t, label, torch.zeros_like(w)).x
                first = x + teacher(z, t, label, w).x - plain
            jump = bind(self._average or student, label, w)
            target = self_taught_target(
                first, jump, z, t, s, torch.zeros_like(s), self.parts.schedule
            )
        error = (student(z, t, label, w).x - target).square().flatten(1).mean(dim=1)
        distance = error / ((error + self.huber**2).sqrt() + self.huber)
        weight = balance_w((1 / gap).clamp(min=1).to(distance.dtype), w, self.w_exponent)
        return Loss((weight * distance).mean(), {"x_error": error.detach().mean()})

    def _pair(self, t: Batch) -> tuple[Batch, Batch]:
        """s and σ̃_t - σ̃_s; what lies below the schedule's clean end is the data."""
        schedule = self.parts.schedule
        sigma = torch.exp(-0.5 * schedule.log_snr(t))
        lower = self.lower(sigma)
        clean = torch.exp(-0.5 * schedule.log_snr(torch.zeros_like(t)))
        s = schedule.time(-2 * lower.clamp(min=clean).log())
        return s.where(lower > clean, 0.0), sigma - lower
