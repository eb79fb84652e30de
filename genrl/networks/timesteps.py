"""The time of a network that was made for steps 0 ... T - 1: from log-SNR to a step.

Without a table the step is the angle of the cosine schedule in thousandths,

    τ(λ) = 1000 · arctan(e^{-λ/2}) / (π/2),

whatever the schedule is (Salimans & Ho 2022). With the table λ_0 > λ_1 > ... of a discrete schedule
it is the number of the entry, and between two entries it is interpolated along the angle, which is
finite where λ is not (zero terminal SNR). A step within a thousandth of a whole one is that one,
which the rounding of λ to float32 would miss.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genrl.typing import Batch

THOUSAND = 1000.0
ROUNDING = 1e-3


def angle_step(log_snr: Batch) -> Batch:
    """τ(λ) in [0, 1000], float32 or better."""
    log_snr = log_snr.to(torch.promote_types(log_snr.dtype, torch.float32))
    return torch.atan(torch.exp(-0.5 * log_snr)) * (2 * THOUSAND / math.pi)


class Timesteps(nn.Module):
    """The step of each log-SNR, as a float.

    Args:
        log_snrs: of the steps 0, 1, ..., falling, ends may be infinite; None for the angle.

    Raises:
        ValueError: if there are less than two or they do not fall.
    """

    table: Tensor | None

    def __init__(self, log_snrs: Sequence[float] | None = None) -> None:
        super().__init__()
        table = None
        if log_snrs is not None:
            if len(log_snrs) < 2:
                raise ValueError(f"a table of log-SNR needs two steps, not {len(log_snrs)}")
            table = angle_step(torch.tensor(log_snrs, dtype=torch.float64))
            if not (table.diff() > 0).all():
                raise ValueError("the log-SNR of a table of steps must fall from step to step")
        self.register_buffer("table", table, persistent=False)

    def forward(self, log_snr: Batch) -> Batch:
        """Steps in [0, T - 1], or in [0, 1000] for the angle; float32 or better."""
        if self.table is None:
            return angle_step(log_snr)
        dtype = torch.promote_types(log_snr.dtype, torch.float32)
        table = self.table.double()
        place = angle_step(log_snr.double())
        after = torch.searchsorted(table, place).clamp(1, len(table) - 1)
        start, end = table[after - 1], table[after]
        share = ((place - start) / (end - start)).clamp(0, 1)
        step = after - 1 + share
        whole = step.round()
        return torch.where((step - whole).abs() < ROUNDING, whole, step).to(dtype)
