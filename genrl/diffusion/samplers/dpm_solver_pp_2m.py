"""DPM-Solver++(2M): second order from one evaluation for each step, by extrapolating x in λ.

x̄ = x_t + (λ_s - λ_t) / (2 (λ_t - λ_u)) (x_t - x_u)
z_s = (σ_s/σ_t) z_t - α_s expm1(½ (λ_t - λ_s)) x̄

u is the time before t: a DDIM step with x extrapolated to the middle of the step. The first step
has nothing to extrapolate from and is DDIM's. Lu et al. 2022, DPM-Solver++, algorithm 2.
"""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, samplers
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_step
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

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        t, s = state.time, state.next_time
        x = prediction.x
        if state.predictions:
            before = self.schedule.log_snr(state.times[state.index - 1])
            now, after = self.schedule.log_snr(t), self.schedule.log_snr(s)
            # Where a schedule is clamped, two times may have the same λ; nothing changes there.
            ratio = (after - now) / (now - before) if now > before else torch.zeros_like(now)
            x = x + 0.5 * ratio * (x - state.predictions[-1].x)
        return ddim_step(z, x, self.schedule, t, s)
