"""Perception-prioritized weighting: less for the noise levels that only clean up.

||ε - ε̂||² / (k + SNR)^γ, as a weight on x: w = SNR / (k + SNR)^γ.  Choi et al. 2022, equation 8.
"""

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("p2")
class P2Weighting(Weighting):
    """SNR / (k + SNR)^γ: the error in ε where there is much noise, less and less of it elsewhere.

    w(λ) = e^λ / (k + e^λ)^γ

    Args:
        k: keeps the weight finite at high noise, positive.
        gamma: γ, not negative; 0 is the error in ε, 1 with k = 1 is that of α x.

    Raises:
        ValueError: if ``k`` is not positive or ``gamma`` is negative.
    """

    def __init__(self, schedule: NoiseSchedule, *, k: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__(schedule)
        if k <= 0 or gamma < 0:
            raise ValueError(
                f"k must be positive and gamma must not be negative, not {k} and {gamma}"
            )
        self.k, self.gamma = k, gamma

    def __call__(self, t: Batch) -> Batch:
        snr = self.schedule.log_snr(t.double()).exp()
        return (snr / (self.k + snr) ** self.gamma).to(t.dtype)
