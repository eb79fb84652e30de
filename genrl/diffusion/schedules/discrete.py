"""Schedules that are a rule for β at discrete steps, made continuous.

ᾱ_i = Π_{j <= i} (1 - β_j),  λ_i = log(ᾱ_i / (1 - ᾱ_i)),  i = 0 ... T - 1

t = 0 is the first entry of the table (data diffused once) and t = 1 the last; λ is linear in t
between two entries. Ho et al. 2020, section 2.
"""

import abc
from collections.abc import Callable
from typing import Any, Self

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.schedules.interpolation import entry_at, place_of


class DiscreteSchedule(NoiseSchedule, abc.ABC):
    """Log-SNR of T discrete noise levels, interpolated between them.

    λ(i / (T - 1)) = log(ᾱ_i / (1 - ᾱ_i))

    Args:
        betas: β of every step, each in (0, 1), float64, at least two.
    """

    table: Tensor

    def __init__(self, betas: Float64[Tensor, " steps"]) -> None:
        super().__init__()
        log_signal = torch.log1p(-betas).cumsum(0)
        table = log_signal - torch.log(-torch.expm1(log_signal))
        self.register_buffer("table", table, persistent=False)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # module.half() or .to(dtype) must not round the table: only its device follows the module.
        table = self.table
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.table = table.to(self.table.device)
        return self

    def log_snr(self, t: Tensor) -> Tensor:
        return entry_at(self.table, t)

    def time(self, log_snr: Tensor) -> Tensor:
        return place_of(-self.table, -log_snr)


def require_betas(num_timesteps: int, beta_start: float, beta_end: float) -> None:
    """Refuse a table that is too short or whose β do not rise within (0, 1).

    Raises:
        ValueError: if there are fewer than two steps or 0 < beta_start <= beta_end < 1 is violated.
    """
    if num_timesteps < 2:
        raise ValueError(f"num_timesteps must be at least 2, not {num_timesteps}")
    if not 0 < beta_start <= beta_end < 1:
        raise ValueError(
            f"0 < beta_start <= beta_end < 1 is needed, not {beta_start} and {beta_end}"
        )
