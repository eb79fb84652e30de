"""The schedule of latent diffusion and Stable Diffusion: √β rises linearly.

β_i = (√β_start + (√β_end - √β_start) i / (T - 1))²

With the default numbers λ runs from 7.07 to -5.36: the last entry keeps α = 0.068, which shows as
grey averages in samples; ``zero_snr`` takes it away. Rombach et al. 2022.
"""

import math

import torch

from genrl.diffusion.schedules.base import schedules
from genrl.diffusion.schedules.discrete import DiscreteSchedule, require_betas


@schedules.register("scaled_linear")
class ScaledLinearSchedule(DiscreteSchedule):
    """Log-SNR of T discrete noise levels whose √β rises linearly, interpolated between them.

    λ(i / (T - 1)) = log(ᾱ_i / (1 - ᾱ_i)),  i = 0 ... T - 1

    Args:
        num_timesteps: T, length of the table, at least 2.
        beta_start: β of the first step, in (0, 1).
        beta_end: β of the last step, in (0, 1), not below ``beta_start``.

    Raises:
        ValueError: if there are fewer than two steps or 0 < beta_start <= beta_end < 1 is violated.
    """

    def __init__(
        self, *, num_timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012
    ) -> None:
        require_betas(num_timesteps, beta_start, beta_end)
        start, end = math.sqrt(beta_start), math.sqrt(beta_end)
        super().__init__(torch.linspace(start, end, num_timesteps, dtype=torch.float64).square())
