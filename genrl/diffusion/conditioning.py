"""Binds what a denoiser is conditioned on, guidance and thresholding into ``denoise(z, t)``.

The order is fixed: combine the predictions, threshold x for each sample, recompute ε. Thresholding
before combining would change the result by as much as the guidance weight.
"""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise, Denoiser
from genrl.diffusion.guidance.base import Guidance
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Denoise
from genrl.diffusion.thresholding.base import Thresholding
from genrl.typing import Batch, Condition, Data, Labels


def bind(
    denoiser: ConditionalDenoise,
    label: Labels | None = None,
    w: Batch | float | None = None,
    guidance: Guidance | None = None,
    thresholding: Thresholding | None = None,
    condition: Condition | None = None,
) -> Denoise:
    """A denoiser of (z, t) alone.

    Args:
        denoiser: of (z, t, label, w).
        label: class of each example; None for data without labels.
        w: guidance weight, one for each example or one for all.
        guidance: combines the predictions of an ordinary denoiser, which is then called without w.
            None: w goes to the denoiser itself, a student that learned guidance by distillation.
            One with memory begins here: bind anew for each run of a sampler.
        thresholding: limits x in sampling; never bind it for a distillation target.
        condition: vector of each example, for a `Denoiser` whose network takes one.

    Raises:
        ValueError: if guidance is given without w or without the labels that it needs, or a
            condition with what is no `Denoiser`.
    """
    if condition is not None:
        denoiser = _conditioned(denoiser, condition)
    if guidance is not None and (w is None or (label is None and guidance.needs_labels)):
        raise ValueError(
            "guidance needs a label for each example and a weight w; w = 0 is the conditional model"
        )
    guide = None if guidance is None else guidance.begin()

    def denoise(z: Data, t: Batch) -> Prediction:
        weight = torch.full_like(t, w) if isinstance(w, float | int) else w
        if guide is None:
            prediction = denoiser(z, t, label, weight)
        else:
            assert isinstance(weight, Tensor)
            prediction = guide(denoiser, z, t, label, weight)
        return prediction if thresholding is None else thresholding(prediction, z)

    return denoise


def _conditioned(denoiser: ConditionalDenoise, condition: Condition) -> ConditionalDenoise:
    if not isinstance(denoiser, Denoiser):
        raise ValueError(f"a {type(denoiser).__name__} takes no condition vector")

    def denoise(
        z: Data, t: Batch, label: Labels | None = None, w: Batch | None = None
    ) -> Prediction:
        # Guidance asks for conditional and unconditional predictions one after the other.
        repeats = len(z) // len(condition)
        return denoiser.forward(z, t, label, w, condition.repeat(repeats, 1))

    return denoise
