"""SNR with an upper limit, which balances the gradients of the noise levels.

w = min(SNR, γ).  Hang et al. 2023, section 3.4, who state it as min(SNR, γ) / SNR on the error in
ε.
"""

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("min_snr")
class MinSnrWeighting(Weighting):
    """min(SNR, γ): the error in ε at high noise, a constant times that in x at low noise.

    w(λ) = min(e^λ, γ)

    Args:
        gamma: γ, upper limit, positive.

    Raises:
        ValueError: if ``gamma`` is not positive.
    """

    def __init__(self, schedule: NoiseSchedule, *, gamma: float = 5.0) -> None:
        super().__init__(schedule)
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, not {gamma}")
        self.gamma = gamma

    def __call__(self, t: Batch) -> Batch:
        return self.schedule.log_snr(t.double()).exp().clamp(max=self.gamma).to(t.dtype)
