"""A step of first order, by whichever of x and ε the denoiser gives.

z_s = a z + b x = (a + b / α_t) z - (b σ_t / α_t) ε

What a network predicts is used as it is: the conversion is in the factors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.typing import Data

EXACT = (torch.float32, torch.float64)  # to data of fewer digits a factor would be rounded

Row = tuple[Tensor | float, ...]


class Factors:
    """What the steps of one run multiply with, in terms of x, and of ε in its place.

    Args:
        by_x: columns of numbers, one for each step, in float64.
        by_eps: the columns that do the same with ε.
    """

    def __init__(self, by_x: Sequence[Tensor], by_eps: Sequence[Tensor]) -> None:
        self.by_x, self.by_eps = tuple(by_x), tuple(by_eps)
        self._rows: list[list[Row] | None] = [None, None]

    def at(self, index: int, z: Data, *, by_eps: bool) -> Row:
        """The numbers of a step, to multiply z and its predictions with."""
        rows = self._rows[by_eps]
        if rows is None:
            rows = self._rows[by_eps] = _rows(self.by_eps if by_eps else self.by_x, z)
        return rows[index]


def first_order(schedule: NoiseSchedule, t: Tensor, of_z: Tensor, of_x: Tensor) -> Factors:
    """a and b for `first_order_step`.

    Args:
        schedule: noise schedule.
        t: where each step starts, in float64.
        of_z: a.
        of_x: b.
    """
    log_snr = schedule.log_snr(t)
    along = of_x * (-schedule.log_alpha(log_snr)).exp()
    return Factors((of_z, of_x), (of_z + along, -along * schedule.log_sigma(log_snr).exp()))


def first_order_step(z: Data, prediction: Prediction, factors: Factors, index: int) -> Data:
    """z at the end of a step."""
    by_eps = prediction.is_of_noise
    of_z, of_predicted = factors.at(index, z, by_eps=by_eps)
    moved: Data = z * of_z
    moved += (prediction.eps if by_eps else prediction.x) * of_predicted
    return moved


def _rows(columns: Sequence[Tensor], z: Data) -> list[Row]:
    """On a CPU a product with a tensor of z's type takes half the time of one with a number."""
    if z.device.type == "cpu" and z.dtype in EXACT:
        return list(zip(*(column.to(z.dtype).unbind() for column in columns), strict=True))
    return list(zip(*(column.tolist() for column in columns), strict=True))
