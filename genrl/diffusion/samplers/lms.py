"""LMS: linear multistep in the noise level σ̃ = σ/α, as k-diffusion made it known.

y = z/α:  y_s = y_t + ∫ ε(σ̃) dσ̃,  ε(σ̃) through the last p predictions

The Adams-Bashforth method for steps of any size on the probability-flow ODE dy/dσ̃ = ε of Karras et
al. 2022, its integrals of polynomials in closed form.
"""

import math

from torch import Tensor

from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.samplers.multistep import Level, MultistepSampler
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid


@samplers.register("lms")
class LMSSampler(MultistepSampler):
    """Extrapolates ε in the noise level σ/α; one evaluation for each step.

    Made for steps that shrink in λ and in σ/α, as its default grid's do, or ``time_grid=karras``.

    Args:
        order: of convergence, 1 (which is Euler) to 4.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``order`` is not in [1, 4].
    """

    order = 4

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, order: int = 4, steps: int = 64
    ) -> None:
        super().__init__(schedule, time_grid, order=order, steps=steps)

    def variable(self, log_snr: Tensor) -> Tensor:
        return (-0.5 * log_snr).exp()

    def moments(self, here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
        scale = -there.sigma * math.expm1(0.5 * (there.log_snr - here.log_snr))
        return [], [scale / (j + 1) for j in range(count)]
