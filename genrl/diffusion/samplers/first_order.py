"""A step of first order, from whatever the network predicts.

z_s = a z + b x = (a + b p) z + b q output    for x = p z + q output
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genrl.diffusion.forms import Form
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import SamplingState
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data

EXACT = (torch.float32, torch.float64)  # to data of fewer digits a factor would be rounded

Columns = Sequence[Tensor]
Row = tuple[Tensor | float, ...]


class Factors:
    """What the steps of one run multiply z and the network's outputs with.

    Args:
        columns: of a form: a column of numbers for z and one for each output, in float64, with a
            number for each step.
    """

    def __init__(self, columns: Callable[[Form], Columns]) -> None:
        self.columns = columns
        self._rows: dict[Form, list[Row]] = {}

    def at(self, index: int, z: Data, form: Form) -> Row:
        """The numbers of a step, ready to be multiplied with z and outputs of this form."""
        rows = self._rows.get(form)
        if rows is None:
            rows = self._rows[form] = _rows(self.columns(form), z)
        return rows[index]


def first_order(start: NoiseLevel, of_z: Tensor, of_x: Tensor) -> Factors:
    """Of z and the output, for `first_order_step`.

    Args:
        start: where each step starts, in float64.
        of_z: a.
        of_x: b.
    """

    def columns(form: Form) -> Columns:
        p, q = form(start.alpha, start.sigma)
        return of_z + of_x * p, of_x * q

    return Factors(columns)


def first_order_step(z: Data, prediction: Prediction, factors: Factors, index: int) -> Data:
    """z at the end of a step."""
    of_z, of_output = factors.at(index, z, prediction.form)
    moved: Data = z * of_z
    moved += prediction.output * of_output
    return moved


def noisy_step(z: Data, prediction: Prediction, state: SamplingState) -> Data:
    """A step and fresh noise: the plan has its factors, and standard deviations or none at all."""
    factors, std = state.plan
    mean = first_order_step(z, prediction, factors, state.index)
    if not std:
        return mean
    noise: Data = std[state.index] * state.noise_like(z)
    return mean + noise


def _rows(columns: Columns, z: Data) -> list[Row]:
    """On a CPU a product with a tensor of z's type takes half the time of one with a number."""
    if z.device.type == "cpu" and z.dtype in EXACT:
        return list(zip(*(column.to(z.dtype).unbind() for column in columns), strict=True))
    return list(zip(*(column.tolist() for column in columns), strict=True))
