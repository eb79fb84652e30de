"""The linear-β schedule of DDPM, made continuous.

β_i = β_start + (β_end - β_start) i / (T - 1)

With the default numbers λ runs from 9.210 to -10.118, so the last entry still carries signal: ᾱ =
4.04e-5. Ho et al. 2020, section 4.
"""

import torch

from genrl.diffusion.schedules.base import schedules
from genrl.diffusion.schedules.discrete import DiscreteSchedule, require_betas


@schedules.register("linear")
class LinearSchedule(DiscreteSchedule):
    """Log-SNR of T discrete noise levels whose β rises linearly, interpolated between them.

    λ(i / (T - 1)) = log(ᾱ_i / (1 - ᾱ_i)),  i = 0 ... T - 1

    Args:
        num_timesteps: T, length of the table, at least 2.
        beta_start: β of the first step, in (0, 1).
        beta_end: β of the last step, in (0, 1), not below ``beta_start``.

    Raises:
        ValueError: if there are fewer than two steps or 0 < beta_start <= beta_end < 1 is violated.
    """

    def __init__(
        self, *, num_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02
    ) -> None:
        require_betas(num_timesteps, beta_start, beta_end)
        super().__init__(torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float64))
