"""The schedule of variational diffusion models: log-SNR is linear in time.

λ(t) = λ_max + t (λ_min - λ_max)

In the paper's symbols γ(t) = -λ(t), which rises from -13.3 to 5 where it is not learned.
Kingma et al. 2021, section 3.2 and appendix H.
"""

from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules


@schedules.register("vdm_linear")
class VdmLinearSchedule(NoiseSchedule):
    """Log-SNR falls linearly between the given ends; the ends fix the continuous-time bound.

    λ(t) = λ_max + t (λ_min - λ_max)

    Args:
        log_snr_min: λ at t = 1.
        log_snr_max: λ at t = 0; 13.3 leaves less noise than one of 256 grey levels.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max``.
    """

    def __init__(self, *, log_snr_min: float = -5.0, log_snr_max: float = 13.3) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        self.log_snr_min = log_snr_min
        self.log_snr_max = log_snr_max

    def log_snr(self, t: Tensor) -> Tensor:
        # lerp rather than λ_max + t Δ: both ends come out exactly.
        time = t.double()
        return (self.log_snr_max * (1 - time) + self.log_snr_min * time).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        span = self.log_snr_max - self.log_snr_min
        return ((self.log_snr_max - log_snr.double()) / span).clamp(0, 1).to(log_snr.dtype)
