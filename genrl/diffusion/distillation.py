"""Targets of distillation as pure functions.

Guided (Meng et al. 2022, stage 1): the student's x shall equal the teacher's guided x.

Progressive (Salimans & Ho 2022): one DDIM step of the student shall end where k DDIM steps t_0 >
t_1 > ... > t_k of the teacher end. In the frame z/σ a DDIM step adds (A_s - A_t) x with A = α/σ =
e^{λ/2}, so the target is the average

    x_target = Σ_j (A_{j+1} - A_j) / (A_k - A_0) x_j

of the teacher's predictions x_j at t_j. It is a convex combination: it cannot explode, holds for
every schedule, grid and ratio k:1, and is computed by the recursion X <- c X + (1 - c) x_j with c =
expm1(½(λ_j - λ_0)) / expm1(½(λ_{j+1} - λ_0)). (Solving the student's step for x instead divides a
small difference by a small difference.)

Self-taught (Berthelot et al. 2023, TRACT): one step of the teacher from t to s, then the student's
own average jumps from s to where the group of steps ends. Its x is the same average of two terms. A
group that reaches from t = 1 to the data is a consistency model (Song et al. 2023).
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance
from genrl.diffusion.samplers.base import Denoise
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.transitions import ddim_step, like_data
from genrl.typing import Batch, Data, Labels


def guided_target(
    guidance: Guidance, teacher: ConditionalDenoise, z: Data, t: Batch, label: Labels, w: Batch
) -> Data:
    """The teacher's guided x, which a student that is given w shall predict by itself."""
    return guidance(teacher, z, t, label, w).x


def progressive_target(
    denoise: Denoise,
    z: Data,
    times: Float64[Tensor, "points batch"],
    schedule: NoiseSchedule,
) -> Data:
    """The x that makes one DDIM step equal the teacher's k steps.

    A sampler returns the prediction of its last evaluation. Where a segment ends at t = 0, the end
    of every grid, the target is therefore the teacher's last prediction: the limit A_k -> ∞ of the
    average.

    Args:
        denoise: the teacher with its condition bound; it is evaluated k times.
        z: noisy data at ``times[0]``.
        times: t_0 > ... > t_k of each example, k >= 1.
        schedule: noise schedule of teacher and student.
    """
    log_snr = schedule.log_snr(times.double())
    dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    target = z
    for j in range(len(times) - 1):
        x = denoise(z, times[j].to(dtype)).x
        share = _share(log_snr[0], log_snr[j], log_snr[j + 1])
        target = torch.lerp(x, target, like_data(share.where(times[j + 1] > 0, 0.0), z))
        if j < len(times) - 2:
            z = ddim_step(z, x, schedule, times[j], times[j + 1])
    return target


def self_taught_target(
    x: Data, average: Denoise, z: Data, t: Batch, s: Batch, end: Batch, schedule: NoiseSchedule
) -> Data:
    """The x of one step t -> end that stands for a step to s with x and the average's jump on.

    Where s is the end, it is x. Where the end is t = 0, it is the average's prediction, as in
    `progressive_target`, with which it agrees if the average is the teacher.

    Args:
        x: the clean data that the first step goes by: a teacher's prediction at (z, t), or data.
        average: the slowly moving student with its condition bound; it is evaluated once.
        z: noisy data at t.
        t: time of each example, t > s; float64 keeps all digits.
        s: where the first step ends, s >= end.
        end: where the student's own step ends.
        schedule: noise schedule of teacher and student.
    """
    dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    later = average(ddim_step(z, x, schedule, t, s), s.to(dtype)).x
    share = _share(*(schedule.log_snr(time.double()) for time in (t, s, end)))
    share = torch.where(s > end, share.where(end > 0, 0.0), 1.0)
    return torch.lerp(later, x, like_data(share, z))


def _share(start: Tensor, middle: Tensor, end: Tensor) -> Tensor:
    """(A_middle - A_start) / (A_end - A_start) of three log-SNRs: the part that is done by then."""
    return torch.expm1(0.5 * (middle - start)) / torch.expm1(0.5 * (end - start))
