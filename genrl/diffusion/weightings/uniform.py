"""The plain mean squared error in x: every noise level counts the same."""

import torch

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("uniform")
class UniformWeighting(Weighting):
    """1: the error in x as it is.

    w(λ) = 1
    """

    def __call__(self, t: Batch) -> Batch:
        return torch.ones_like(t)
