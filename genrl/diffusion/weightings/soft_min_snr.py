"""A smooth limit on the SNR: w = 1 / (1/SNR + 1/γ), which is min(SNR, γ) without its corner.

Crowson et al. 2024, Hourglass Diffusion Transformers.
"""

import math

import torch

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("soft_min_snr")
class SoftMinSnrWeighting(Weighting):
    """SNR γ / (SNR + γ): half of γ where the SNR is γ, never above it.

    w(λ) = γ sigmoid(λ - log γ)

    Args:
        gamma: γ, upper limit, positive.

    Raises:
        ValueError: if ``gamma`` is not positive.
    """

    def __init__(self, schedule: NoiseSchedule, *, gamma: float = 4.0) -> None:
        super().__init__(schedule)
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, not {gamma}")
        self.gamma = gamma

    def __call__(self, t: Batch) -> Batch:
        log_snr = self.schedule.log_snr(t.double())
        return (self.gamma * torch.sigmoid(log_snr - math.log(self.gamma))).to(t.dtype)
