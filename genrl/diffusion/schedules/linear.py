"""The linear-β schedule of DDPM, made continuous.

β_i = β_start + (β_end - β_start) i / (T - 1),  ᾱ_i = Π_{j <= i} (1 - β_j),  λ_i = log(ᾱ_i / (1 -
ᾱ_i))

t = 0 is the first entry of the table (data diffused once) and t = 1 the last; λ is linear in t
between two entries. With the default numbers λ runs from 9.210 to -10.118, so the last entry still
carries signal: ᾱ = 4.04e-5. Ho et al. 2020, section 4.
"""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, schedules


@schedules.register("linear")
class LinearSchedule(NoiseSchedule):
    """Log-SNR of T discrete noise levels whose β rises linearly, interpolated between them.

    λ(i / (T - 1)) = log(ᾱ_i / (1 - ᾱ_i)),  i = 0 ... T - 1

    Args:
        num_timesteps: T, length of the table, at least 2.
        beta_start: β of the first step, in (0, 1).
        beta_end: β of the last step, in (0, 1), not below ``beta_start``.

    Raises:
        ValueError: if there are fewer than two steps or 0 < beta_start <= beta_end < 1 is violated.
    """

    table: Tensor

    def __init__(
        self, *, num_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02
    ) -> None:
        super().__init__()
        if num_timesteps < 2:
            raise ValueError(f"num_timesteps must be at least 2, not {num_timesteps}")
        if not 0 < beta_start <= beta_end < 1:
            raise ValueError(
                f"0 < beta_start <= beta_end < 1 is needed, not {beta_start} and {beta_end}"
            )
        betas = torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float64)
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
        table = self.table.to(t.device)
        position = t.double() * (len(table) - 1)
        index = position.detach().long().clamp(0, len(table) - 2)
        left, right = table[index], table[index + 1]
        return (left + (position - index) * (right - left)).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        table = self.table.to(log_snr.device)
        wanted = log_snr.double().clamp(table[-1], table[0])
        index = torch.searchsorted(-table, -wanted, right=True).sub(1).clamp(0, len(table) - 2)
        left, right = table[index], table[index + 1]
        position = index + (wanted - left) / (right - left)
        return (position / (len(table) - 1)).to(log_snr.dtype)
