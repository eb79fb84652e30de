"""Equal steps in log-SNR, on which exponential integrators keep their order, then the data.

t_i = time(λ_1 + i / (N - 1) (λ_0 - λ_1)),  i = 0 ... N - 1

λ_0 and λ_1 are those of t = 0 and t = 1 or the given limits. The N evaluations go from the noisy
end to the clean one; the last step is the jump from there to x, so without a limit both of the last
two times are 0. A last evaluation one step before the clean end would leave an error of first
order, the change of x on the way. Lu et al. 2022 (DPM-Solver), section 3.4.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling
from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("log_snr")
class LogSnrTimeGrid(TimeGrid):
    """Equal steps in λ between the schedule's ends, or between limits inside of them.

    λ(t_i) = λ_1 + i / (N - 1) (λ_0 - λ_1)

    Args:
        log_snr_min: λ_1, where sampling starts; None, or a level that the schedule does not reach,
            is its noisy end.
        log_snr_max: λ_0, where it ends; None, or a level that the schedule does not reach, is its
            clean end.

    Raises:
        ValueError: if no range is left between the two.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        *,
        log_snr_min: float | None = None,
        log_snr_max: float | None = None,
    ) -> None:
        super().__init__(schedule)
        self.log_snr_min = log_snr_min
        self.log_snr_max = log_snr_max
        self._range()

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        noisy, clean = self._range()
        share = torch.arange(steps, dtype=torch.float64) / max(steps - 1, 1)
        times = self.schedule.time(noisy * (1 - share) + clean * share).detach()
        if self.log_snr_max is None and steps > 1:
            times[-1] = 0.0
        if self.log_snr_min is None:
            times[0] = 1.0
        return torch.cat([times, times.new_zeros(1)])

    def _range(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest λ of the grid."""
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        clean, noisy = self.schedule.log_snr(ends).detach()
        low = noisy if self.log_snr_min is None else noisy.clamp(min=self.log_snr_min)
        high = clean if self.log_snr_max is None else clean.clamp(max=self.log_snr_max)
        require_falling(low.item(), high.item())
        return low, high
