"""No guidance: the conditional model as it is.

For models without guidance and for students that learned it.
"""

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels


@guidances.register("none")
class NoGuidance(Guidance):
    """The conditional prediction; w is ignored."""

    evaluations = 1

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        return denoiser(z, t, label)
