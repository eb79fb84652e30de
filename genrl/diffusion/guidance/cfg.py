"""Classifier-free guidance.

x = (1 + w) x_c - w x_u,  ε = (1 + w) ε_c - w ε_u

w = 0 is the conditional model, w = -1 the unconditional one; the "guidance scale" of other
libraries is 1 + w. Both lines hold at once because α x + σ ε = z is linear. Ho & Salimans 2022; the
convention of Meng et al. 2022.
"""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.diffusion.transitions import like_data
from genrl.typing import Batch, Data, Labels


@guidances.register("cfg")
class ClassifierFreeGuidance(Guidance):
    """(1 + w) conditional - w unconditional, both from one batched pass."""

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels, w: Batch
    ) -> Prediction:
        null = torch.full_like(label, self.num_classes)
        both = denoiser(torch.cat([z, z]), torch.cat([t, t]), torch.cat([label, null]))
        x, x_null = both.x.chunk(2)
        eps, eps_null = both.eps.chunk(2)
        weight = like_data(w, z)
        level = NoiseLevel(
            *(_first_half(v) for v in (both.level.log_snr, both.level.alpha, both.level.sigma))
        )
        return Prediction(
            (1 + weight) * x - weight * x_null, (1 + weight) * eps - weight * eps_null, level
        )


def _first_half(value: Tensor) -> Tensor:
    return value.chunk(2)[0] if value.ndim else value
