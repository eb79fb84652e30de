"""What several kinds of guidance share: two predictions in one pass, and the line through both."""

from collections.abc import Callable

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.forms import x_form
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.diffusion.schedules.clock import twice
from genrl.diffusion.transitions import like_data
from genrl.typing import Batch, Data, Labels


def branches(
    denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, null: int
) -> tuple[Prediction, Prediction]:
    """The conditional and the unconditional prediction, from one batched pass.

    Args:
        denoiser: of (z, t, label).
        z: noisy data.
        t: time of each example.
        label: class of each example.
        null: the label of the null class.
    """
    assert label is not None
    labels = torch.cat([label, torch.full_like(label, null)])
    both = denoiser(torch.cat([z, z]), twice(t), labels)

    first, second = zip(*map(_halves, both.level), strict=True)

    def half(index: int, level: NoiseLevel) -> Prediction:
        return Prediction(
            lambda: _halves(both.x)[index],
            lambda: _halves(both.eps)[index],
            level,
            output=lambda: _halves(both.output)[index],
            form=both.form,
        )

    return half(0, NoiseLevel(*first)), half(1, NoiseLevel(*second))


def extrapolated(strong: Prediction, weak: Prediction, w: Batch) -> Prediction:
    """(1 + w) strong - w weak, in x and in ε: both at once, because α x + σ ε = z is linear.

    And so in what both predict, if that is the same.
    """
    weight = like_data(w, strong.output)

    def line(strong: Data, weak: Data) -> Data:
        return (1 + weight) * strong - weight * weak

    are_alike = strong.form == weak.form
    return Prediction(
        lambda: line(strong.x, weak.x),
        lambda: line(strong.eps, weak.eps),
        strong.level,
        output=(lambda: line(strong.output, weak.output)) if are_alike else None,
        form=strong.form if are_alike else x_form,
    )


def gradient(value: Callable[[Data], Tensor], z: Data) -> Data:
    """∇_z of the sum of a function's values, under ``torch.no_grad`` too."""
    with torch.enable_grad():
        variable = z.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(value(variable).sum(), variable)
    return slope


def _halves(value: Tensor) -> tuple[Tensor, Tensor]:
    if value.ndim == 0:
        return value, value
    first, second = value.chunk(2)
    return first, second
