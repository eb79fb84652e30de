"""The cosine schedule for another resolution: all of it is noisier by the ratio of the pixels.

λ(t) = -2 log tan(a t + b) + 2 log(d₀ / d)

Averaging d/d₀ x d/d₀ pixels divides the noise's variance by (d/d₀)²; the shift makes what is left
at d₀ the same for every d. Hoogeboom et al. 2023 (simple diffusion), section 3.1.
"""

import math

from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules


@schedules.register("shifted_cosine")
class ShiftedCosineSchedule(NoiseSchedule):
    """The cosine schedule made for one resolution, shifted to another one.

    λ(t) = -2 log tan(a t + b) + 2 log(d₀ / d)

    Args:
        resolution: d, width of the images in pixels, positive.
        reference: d₀, width for which the unshifted schedule is right, positive; 32 or 64.
        log_snr_min: λ at t = 1 before the shift.
        log_snr_max: λ at t = 0 before the shift.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max`` or a width is not positive.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        reference: int = 32,
        log_snr_min: float = -20.0,
        log_snr_max: float = 20.0,
    ) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        if resolution < 1 or reference < 1:
            raise ValueError(
                f"resolution and reference must be positive, not {resolution} and {reference}"
            )
        self.shift = 2 * math.log(reference / resolution)
        self.offset = math.atan(math.exp(-log_snr_max / 2))
        self.slope = math.atan(math.exp(-log_snr_min / 2)) - self.offset

    def log_snr(self, t: Tensor) -> Tensor:
        angle = self.slope * t.double() + self.offset
        return (self.shift - 2 * angle.tan().log()).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        angle = ((self.shift - log_snr.double()) / 2).exp().atan()
        return ((angle - self.offset) / self.slope).clamp(0, 1).to(log_snr.dtype)
