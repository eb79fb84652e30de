"""iPNDM: Adams-Bashforth in the angle between data and noise, with DDIM as its first order.

φ = arctan(σ/α),  w = z / √(α² + σ²) = cos φ x + sin φ ε
w_s = w_t + ∫ (cos φ ε(φ) - sin φ x(φ)) dφ,  x(φ) and ε(φ) through the last p predictions

Pseudo-numerical methods put past predictions, weighted as Adams-Bashforth does, into DDIM's step.
With the weights of equal steps that ends at order 2; here both polynomials are integrated exactly
against the rotation, for steps of any size, which keeps the order and is smooth at both ends of
every schedule. Liu et al. 2022 (PNDM), without its Runge-Kutta start as Zhang & Chen 2023.
"""

from torch import Tensor

from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.samplers.multistep import Level, MultistepSampler, angle, angle_moments
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid


@samplers.register("ipndm")
class IPNDMSampler(MultistepSampler):
    """Extrapolates x and ε in the angle arctan(σ/α); one evaluation for each step.

    Args:
        order: of convergence, 1 (which is DDIM) to 4.
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
        return angle(log_snr)

    def moments(self, here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
        return angle_moments(here, there, count)
