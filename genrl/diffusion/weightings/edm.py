"""EDM's weighting: every noise level counts the same in the preconditioned network's own output F.

w = (σ̃² + s²) / (σ̃ s)² = SNR + 1 / s²,  σ̃ = e^{-λ/2},  s = ``sigma_data``.  Karras et al. 2022,
table 1.
"""

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("edm")
class EdmWeighting(Weighting):
    """SNR + 1 / sigma_data²: the error in the output of the parameterization ``edm``.

    w(λ) = e^λ + 1 / s²

    Args:
        sigma_data: s, standard deviation of the data, positive.

    Raises:
        ValueError: if ``sigma_data`` is not positive.
    """

    def __init__(self, schedule: NoiseSchedule, *, sigma_data: float = 0.5) -> None:
        super().__init__(schedule)
        if sigma_data <= 0:
            raise ValueError(f"sigma_data must be positive, not {sigma_data}")
        self.sigma_data = sigma_data

    def __call__(self, t: Batch) -> Batch:
        return (self.schedule.log_snr(t.double()).exp() + self.sigma_data**-2).to(t.dtype)
