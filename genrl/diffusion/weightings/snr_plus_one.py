"""The mean squared error in v of a variance-preserving schedule, as a weight on x.

v - v̂ = -(x - x̂) / σ, so that ||v - v̂||² = (SNR + 1) ||x - x̂||².  Salimans & Ho 2022, section 4.
"""

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("snr_plus_one")
class SnrPlusOneWeighting(Weighting):
    """SNR + 1: the error in v; never below 1.

    w(λ) = e^λ + 1
    """

    def __call__(self, t: Batch) -> Batch:
        return (self.schedule.log_snr(t.double()).exp() + 1).to(t.dtype)
