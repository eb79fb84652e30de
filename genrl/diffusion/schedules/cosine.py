"""Cosine noise schedule in log-SNR.

λ(t) = -2 log tan(a t + b),  b = arctan(e^{-λ_max/2}),  a = arctan(e^{-λ_min/2}) - b

Variance preserving: with the ends at ±∞ this is α = cos(π t / 2), σ = sin(π t / 2).
Nichol & Dhariwal 2021 in the continuous form of Salimans & Ho 2022, section 2 and appendix.
"""

import math

from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules


@schedules.register("cosine")
class CosineSchedule(NoiseSchedule):
    """Log-SNR falls like -2 log tan between the given ends.

    λ(t) = -2 log tan(a t + b)

    Args:
        log_snr_min: λ at t = 1; below -15 the end carries no signal in float32, which students of
            few steps need.
        log_snr_max: λ at t = 0.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max``.
    """

    def __init__(self, *, log_snr_min: float = -20.0, log_snr_max: float = 20.0) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        self.offset = math.atan(math.exp(-log_snr_max / 2))
        self.slope = math.atan(math.exp(-log_snr_min / 2)) - self.offset

    def log_snr(self, t: Tensor) -> Tensor:
        return (-2 * (self.slope * t.double() + self.offset).tan().log()).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        angle = (-log_snr.double() / 2).exp().atan()
        return ((angle - self.offset) / self.slope).clamp(0, 1).to(log_snr.dtype)
