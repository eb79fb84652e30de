"""Classifier-free guidance whose x keeps the contrast of the conditional one.

x = (1 + w) x_c - w x_u,  x ← x (φ std(x_c) / std(x) + 1 - φ)

Large weights raise the standard deviation of a sample's numbers, which looks over-exposed. Lin et
al. 2024, section 3.4, there on the output of the network; on x it means the same whatever the
network predicts.
"""

from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import branches, extrapolated
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.transitions import like_data
from genrl.typing import Batch, Data, Labels


@guidances.register("cfg_rescale")
class CfgRescaleGuidance(Guidance):
    """Classifier-free guidance, scaled towards the standard deviation of the conditional x.

    Args:
        phi: φ, 0 is plain guidance, 1 the standard deviation of the conditional x; in [0, 1].

    Raises:
        ValueError: if ``phi`` is outside [0, 1].
    """

    def __init__(
        self, num_classes: int, sources: Sources | None = None, *, phi: float = 0.7
    ) -> None:
        super().__init__(num_classes, sources)
        if not 0 <= phi <= 1:
            raise ValueError(f"phi must be in [0, 1], not {phi}")
        self.phi = phi

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        guided = extrapolated(conditional, unconditional, w)
        spread = _std(guided.x)
        # An x without any contrast has none to scale.
        ratio = (_std(conditional.x) / spread).where(spread > 0, 1.0)
        return guided.shifted(like_data(self.phi * (ratio - 1), z) * guided.x)


def _std(x: Data) -> Tensor:
    return x.flatten(1).std(dim=1, correction=0)
