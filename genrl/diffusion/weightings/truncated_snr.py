"""The larger of the errors in x and in ε.

max(||x - x̂||², ||ε - ε̂||²) = max(SNR, 1) ||x - x̂||².  Salimans & Ho 2022, section 4.

The upper limit is ours: at λ = 20 the weight would be 5e8, and the few examples at the clean end
would drown the batch.
"""

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("truncated_snr")
class TruncatedSnrWeighting(Weighting):
    """max(SNR, 1): the larger of the errors in x and in ε; right for students of few steps.

    w(λ) = min(max(e^λ, 1), max_snr)

    Args:
        max_snr: upper limit, at least 1; ``inf`` is the paper's.

    Raises:
        ValueError: if ``max_snr < 1``.
    """

    def __init__(self, schedule: NoiseSchedule, *, max_snr: float = 1e4) -> None:
        super().__init__(schedule)
        if not max_snr >= 1:
            raise ValueError(f"max_snr must be at least 1, not {max_snr}")
        self.max_snr = max_snr

    def __call__(self, t: Batch) -> Batch:
        snr = self.schedule.log_snr(t.double()).exp()
        return snr.clamp(1.0, self.max_snr).to(t.dtype)
