"""A schedule that is a table: the noise levels of a discrete model, whatever they came from.

λ(i / (T - 1)) = λ_i,  i = 0 ... T - 1

Between two entries the angle arctan(σ / α) is linear in t. It is finite where λ is not, so that a
table may end without signal (zero terminal SNR).
"""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, schedules
from genrl.diffusion.schedules.interpolation import entry_at, place_of
from genrl.diffusion.schedules.linear import LinearSchedule


@schedules.register("table")
class TableSchedule(NoiseSchedule):
    """Log-SNR of T discrete noise levels, given one by one and interpolated between them.

    Args:
        log_snrs: λ_0 > λ_1 > ..., at least two; the last one may be -inf. None takes the thousand
            levels of DDPM's linear schedule.

    Raises:
        ValueError: if there are less than two or they do not fall.
    """

    angles: Tensor

    def __init__(self, *, log_snrs: tuple[float, ...] | None = None) -> None:
        super().__init__()
        if log_snrs is None:
            table = LinearSchedule().table
        else:
            table = torch.tensor(log_snrs, dtype=torch.float64)
        if len(table) < 2 or not (table.diff() < 0).all():
            raise ValueError("log_snrs needs at least two numbers, each below the one before it")
        self.register_buffer("angles", torch.atan(torch.exp(-0.5 * table)), persistent=False)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # module.half() or .to(dtype) must not round the table: only its device follows the module.
        angles = self.angles
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.angles = angles.to(self.angles.device)
        return self

    def log_snr(self, t: Tensor) -> Tensor:
        angle = entry_at(self.angles, t.double())
        return (-2 * torch.log(torch.tan(angle))).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        angle = torch.atan(torch.exp(-0.5 * log_snr.double()))
        return place_of(self.angles, angle).to(log_snr.dtype)
