"""SDE-DPM-Solver++(2M): the reverse-time SDE with x extrapolated in λ, second order in x.

x̄ = x_t + (λ_s - λ_t) / (2 (λ_t - λ_u)) (x_t - x_u)
z_s = (σ_s/σ_t) e^{-ηh} z_t + α_s (1 - e^{-(1+η)h}) x̄ + σ_s √(1 - e^{-2ηh}) ε,  h = ½ (λ_s - λ_t)

u is the time before t; the first step has x̄ = x_t. η = 0 is DPM-Solver++(2M), η = 1 the paper's
method; between and beyond as in `SDESampler`. Lu et al. 2022, DPM-Solver++, appendix B.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import (
    Sampler,
    SamplingState,
    Times,
    rows,
    samplers,
    weighted_sum,
)
from genrl.diffusion.samplers.dpm_solver_pp_2m import extrapolation
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import sde_weights
from genrl.typing import Data


@samplers.register("dpm_solver_pp_sde")
class DPMSolverPPSDESampler(Sampler):
    """Stochastic multistep, one evaluation for each step.

    Args:
        eta: noise of the SDE, not negative; 0 is deterministic, 1 is the reverse process.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``eta`` is negative.
    """

    order = 2

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, eta: float = 1.0, steps: int = 64
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if eta < 0:
            raise ValueError(f"eta must not be negative, not {eta}")
        self.eta = eta

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0

    def plan(self, times: Times) -> list[tuple[float, ...]]:
        """Factors of z_t, x_t, x_u and the noise."""
        of_z, of_x, std = sde_weights(self.schedule, times[:-1], times[1:], self.eta)
        ahead = extrapolation(self.schedule.log_snr(times))
        return rows(of_z, of_x * (1 + ahead), -of_x * ahead, std)

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        of_z, of_x, of_before, std = state.planned
        terms = [(of_z, z), (of_x, prediction.x)]
        if state.predictions:
            terms.append((of_before, state.predictions[-1].x))
        if self.is_stochastic:
            terms.append((std, state.noise_like(z)))
        return weighted_sum(*terms)
