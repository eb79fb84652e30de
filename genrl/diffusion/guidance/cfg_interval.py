"""Classifier-free guidance at some noise levels only.

w inside of low <= λ <= high, 0 outside of it

Guidance at the noisiest levels drives samples to a few templates, at the cleanest it does nothing;
leaving both out lets w be larger, and saves the unconditional evaluations. Where no example of a
batch lies inside, one evaluation is made, otherwise two for all. Kynkäänniemi et al. 2024, in σ̃ =
e^{-λ/2}.
"""

import torch

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import extrapolated
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels


@guidances.register("cfg_interval")
class CfgIntervalGuidance(Guidance):
    """Classifier-free guidance where log-SNR lies between two limits, else the conditional model.

    Args:
        low: smallest log-SNR that is guided; -2.1 is σ/α = 2.9.
        high: largest log-SNR that is guided; 2.5 is σ/α = 0.28.

    Raises:
        ValueError: if ``low`` is above ``high``.
    """

    def __init__(
        self,
        num_classes: int,
        sources: Sources | None = None,
        *,
        low: float = -2.1,
        high: float = 2.5,
    ) -> None:
        super().__init__(num_classes, sources)
        if not low <= high:
            raise ValueError(f"low ({low}) must not be above high ({high})")
        self.low, self.high = low, high

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        assert label is not None
        conditional = denoiser(z, t, label)
        log_snr = conditional.level.log_snr
        is_inside = (log_snr >= self.low) & (log_snr <= self.high)
        if not is_inside.any():
            return conditional
        unconditional = denoiser(z, t, torch.full_like(label, self.num_classes))
        return extrapolated(conditional, unconditional, w.where(is_inside, 0.0))

    def evaluations_at(self, t: float, log_snr: float) -> int:
        return 2 if self.low <= log_snr <= self.high else 1
