"""DPM-Solver++(2M): second order from one evaluation for each step, by extrapolating x in λ.

x̄ = x_t + (λ_s - λ_t) / (2 (λ_t - λ_u)) (x_t - x_u)
z_s = (σ_s/σ_t) z_t - α_s expm1(½ (λ_t - λ_s)) x̄

u is the time before t: a DDIM step with x extrapolated to the middle of the step. The first step
has nothing to extrapolate from and is DDIM's. Lu et al. 2022, DPM-Solver++, algorithm 2.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import (
    Sampler,
    SamplingState,
    Times,
    rows,
    samplers,
    weighted_sum,
)
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_weights
from genrl.typing import Data


@samplers.register("dpm_solver_pp_2m")
class DPMSolverPP2MSampler(Sampler):
    """Multistep, second order, one evaluation for each step.

    Args:
        steps: number of grid intervals.
    """

    order = 2

    def __init__(self, schedule: NoiseSchedule, time_grid: TimeGrid, *, steps: int = 64) -> None:
        super().__init__(schedule, time_grid, steps=steps)

    def plan(self, times: Times) -> list[tuple[float, ...]]:
        """Factors of z_t, x_t and x_u."""
        of_z, of_x = ddim_weights(self.schedule, times[:-1], times[1:])
        ahead = extrapolation(self.schedule.log_snr(times))
        return rows(of_z, of_x * (1 + ahead), -of_x * ahead)

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        of_z, of_x, of_before = state.planned
        if not state.predictions:
            return weighted_sum((of_z, z), (of_x, prediction.x))
        before = state.predictions[-1].x
        return weighted_sum((of_z, z), (of_x, prediction.x), (of_before, before))


def extrapolation(log_snr: Float64[Tensor, " steps+1"]) -> Float64[Tensor, " steps"]:
    """How much of x_t - x_u leads from x_t to the middle of each step; 0 for the first."""
    change = log_snr.diff()
    before, after = change[:-1], change[1:]
    # Where a schedule is clamped, two times may have the same λ; nothing changes there.
    ratio = torch.where(before > 0, after / before, 0.0)
    return torch.cat([change.new_zeros(1), 0.5 * ratio])
