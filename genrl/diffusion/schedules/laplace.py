"""A schedule whose log-SNR has a Laplace distribution: most of the training is near one level.

λ(u) = μ - b sgn(½ - u) log(1 - 2 |u - ½|)

The ends are infinite, so u runs between the given λ. For training: hardly a time drawn at random
lies near them. Hang & Gu 2024, table 1.
"""

import math

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules


@schedules.register("laplace")
class LaplaceSchedule(NoiseSchedule):
    """Log-SNR of a uniform time is Laplace distributed around ``mean``, between the given ends.

    λ(u) = μ - b sgn(½ - u) log(1 - 2 |u - ½|)

    Args:
        mean: μ, the level that is trained most, between the ends.
        scale: b, width of the distribution, positive.
        log_snr_min: λ at t = 1; float32 times cannot tell levels below μ - 16 b apart.
        log_snr_max: λ at t = 0.

    Raises:
        ValueError: unless ``log_snr_min < mean < log_snr_max`` and ``scale`` is positive.
    """

    def __init__(
        self,
        *,
        mean: float = 0.0,
        scale: float = 0.5,
        log_snr_min: float = -8.0,
        log_snr_max: float = 8.0,
    ) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        if not log_snr_min < mean < log_snr_max:
            raise ValueError(
                f"mean ({mean}) must lie between log_snr_min ({log_snr_min}) and "
                f"log_snr_max ({log_snr_max})"
            )
        if scale <= 0:
            raise ValueError(f"scale must be positive, not {scale}")
        self.mean, self.scale = mean, scale
        # u at t = 0 and 1 - u at t = 1.
        self.first = math.exp((mean - log_snr_max) / scale) / 2
        self.rest = math.exp((log_snr_min - mean) / scale) / 2

    def log_snr(self, t: Tensor) -> Tensor:
        time = t.double()
        passed = self.first * (1 - time) + (1 - self.rest) * time
        left = (1 - self.first) * (1 - time) + self.rest * time
        is_early = passed < left
        depth = (2 * torch.where(is_early, passed, left)).log()
        return (self.mean + self.scale * torch.where(is_early, -depth, depth)).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        depth = (log_snr.double() - self.mean) / self.scale
        tail = (-depth.abs()).exp() / 2
        passed = torch.where(depth > 0, tail, 1 - tail)
        span = 1 - self.rest - self.first
        return ((passed - self.first) / span).clamp(0, 1).to(log_snr.dtype)
