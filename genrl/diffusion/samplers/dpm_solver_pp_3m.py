"""DPM-Solver++(3M): third order from one evaluation for each step, x extrapolated in λ.

z_s = (σ_s/σ_t) z_t + σ_s ∫ x(λ) d e^{λ/2},  x(λ) the parabola through the last three predictions

The integral is exact for steps of any size. The implementation that its authors published weighs
the second difference with half of its factor, and converges at order 2. Lu et al. 2022,
DPM-Solver++, section 4 and appendix A.
"""

from torch import Tensor

from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.samplers.multistep import Level, MultistepSampler
from genrl.diffusion.samplers.quadrature import data_moments
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid


@samplers.register("dpm_solver_pp_3m")
class DPMSolverPP3MSampler(MultistepSampler):
    """Multistep, third order, one evaluation for each step.

    Args:
        steps: number of grid intervals.
    """

    order = 3
    max_order = 3

    def __init__(self, schedule: NoiseSchedule, time_grid: TimeGrid, *, steps: int = 64) -> None:
        super().__init__(schedule, time_grid, order=3, steps=steps)

    def variable(self, log_snr: Tensor) -> Tensor:
        return log_snr

    def moments(self, here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
        return data_moments(0.5 * (there.log_snr - here.log_snr), there.alpha, count), []
