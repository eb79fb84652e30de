"""Classifier-free guidance.

x = (1 + w) x_c - w x_u,  ε = (1 + w) ε_c - w ε_u

w = 0 is the conditional model, w = -1 the unconditional one; the "guidance scale" of other
libraries is 1 + w. Both lines hold at once because α x + σ ε = z is linear. Ho & Salimans 2022; the
convention of Meng et al. 2022.
"""

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import branches, extrapolated
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels


@guidances.register("cfg")
class ClassifierFreeGuidance(Guidance):
    """(1 + w) conditional - w unconditional, both from one batched pass."""

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        return extrapolated(conditional, unconditional, w)
