"""DEIS: the exponential integrator with a polynomial of ε in log-SNR.

z_s = (α_s/α_t) z_t + α_s ∫ ε(λ) d e^{-λ/2},  ε(λ) through the last p predictions

The variant "log ρ" of the method, with ρ = σ/α, integrated in closed form for steps of any size.
Zhang & Chen 2023.
"""

import math

from torch import Tensor

from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.samplers.multistep import Level, MultistepSampler
from genrl.diffusion.samplers.quadrature import exponential_moments
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid


@samplers.register("deis")
class DEISSampler(MultistepSampler):
    """Extrapolates ε in log-SNR; one evaluation for each step.

    Args:
        order: of convergence, 1 (which is DDIM) to 3.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``order`` is not in [1, 3].
    """

    order = 3
    max_order = 3

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, order: int = 3, steps: int = 64
    ) -> None:
        super().__init__(schedule, time_grid, order=order, steps=steps)

    def variable(self, log_snr: Tensor) -> Tensor:
        return log_snr

    def moments(self, here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
        rate = 0.5 * (here.log_snr - there.log_snr)
        scale = there.sigma * rate * math.exp(-rate)
        return [], [scale * moment.real for moment in exponential_moments(rate, count)]
