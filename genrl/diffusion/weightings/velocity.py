"""The mean squared error in the flow-matching velocity u = ε - x, as a weight on x.

u - û = -(α/σ + 1) (x - x̂), so that ||u - û||² = (√SNR + 1)² ||x - x̂||², which is ||x - x̂||² /
t² for the schedule ``flow``.  Lipman et al. 2023, equation 9.
"""

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("velocity")
class VelocityWeighting(Weighting):
    """(√SNR + 1)²: the error in ε - x, the loss of flow matching.

    w(λ) = (e^{λ/2} + 1)²
    """

    def __call__(self, t: Batch) -> Batch:
        return ((self.schedule.log_snr(t.double()) / 2).exp() + 1).square().to(t.dtype)
