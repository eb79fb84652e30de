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
        kept = torch.expm1(0.5 * (log_snr[j] - log_snr[0]))
        share = kept / torch.expm1(0.5 * (log_snr[j + 1] - log_snr[0]))
        target = torch.lerp(x, target, like_data(share.where(times[j + 1] > 0, 0.0), z))
        if j < len(times) - 2:
            z = ddim_step(z, x, schedule, times[j], times[j + 1])
    return target
