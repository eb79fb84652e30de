"""Equal steps in log-SNR, on which exponential integrators keep their order.

t_i = time(λ_1 + (i / N) (λ_0 - λ_1)),  λ_0 and λ_1 at t = 0 and t = 1

Lu et al. 2022 (DPM-Solver), section 3.4.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("log_snr")
class LogSnrTimeGrid(TimeGrid):
    """Equal steps in λ between the schedule's ends.

    λ(t_i) = λ(1) + (i / N) (λ(0) - λ(1))
    """

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        clean, noisy = self.schedule.log_snr(ends).detach()
        share = torch.arange(steps + 1, dtype=torch.float64) / steps
        times = self.schedule.time(noisy * (1 - share) + clean * share).detach()
        times[0], times[-1] = 1.0, 0.0
        return times
