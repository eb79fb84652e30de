"""The mean squared error in ε, L_simple of DDPM, as a weight on x.

ε - ε̂ = -(α/σ) (x - x̂), so that ||ε - ε̂||² = SNR ||x - x̂||².  Ho et al. 2020, equation 14.
"""

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("snr")
class SnrWeighting(Weighting):
    """SNR: the error in ε; no weight at all where there is no signal.

    w(λ) = e^λ
    """

    def __call__(self, t: Batch) -> Batch:
        return self.schedule.log_snr(t.double()).exp().to(t.dtype)
