"""Heun's method for the probability-flow ODE of z/α in σ̃ = σ/α, with EDM's churn.

An Euler step to s, then the mean of the slopes at both ends. With the predictions x at t and x' at
the Euler point,

    z_s = z_s(Euler) + ½ α_s (1 - σ̃_t/σ̃_s) (x - x') = z_s(Euler) + ½ σ_s (1 - σ̃_t/σ̃_s) (ε' - ε)

which is the trapezoidal rule without its differences of large numbers. The last step is Euler's:
the sampler ends with a prediction. Karras et al. 2022, algorithm 2.
"""

import math

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import SamplingState, Times, samplers
from genrl.diffusion.samplers.churn import ChurnPlan, ChurnSampler
from genrl.diffusion.samplers.first_order import Factors, first_order_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.typing import Data


@samplers.register("heun")
class HeunSampler(ChurnSampler):
    """Second order, two evaluations for each step but the last.

    Made for steps that shrink in λ, as its default grid's do, or ``time_grid=karras`` with
    ``sigma_max=80 sigma_min=0.002``: on the uniform grid of a schedule that reaches zero SNR the
    first interval leaps from σ̃ = e^10 to about the number of steps, and few steps end far off.

    Args:
        s_churn: total amount of churn, shared by the steps; 0 is deterministic.
        s_tmin: smallest σ̃ that is churned.
        s_tmax: largest σ̃ that is churned.
        s_noise: factor on the standard deviation of the added noise.
        steps: number of grid intervals.

    Raises:
        ValueError: if one of them is negative.
    """

    order = 2

    def __init__(
        self,
        schedule: NoiseSchedule,
        time_grid: TimeGrid,
        *,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = math.inf,
        s_noise: float = 1.0,
        steps: int = 64,
    ) -> None:
        super().__init__(
            schedule,
            time_grid,
            s_churn=s_churn,
            s_tmin=s_tmin,
            s_tmax=s_tmax,
            s_noise=s_noise,
            steps=steps,
        )

    def evaluations(self, steps: int | None = None) -> int:
        return 2 * super().evaluations(steps) - 1

    def plan(self, times: Times) -> ChurnPlan:
        log_snr_t = self.schedule.log_snr(self.evaluation_times(times))
        log_snr_s = self.schedule.log_snr(times[1:])
        half = 0.5 * torch.expm1(0.5 * (log_snr_s - log_snr_t))
        of_x = half * self.schedule.log_alpha(log_snr_s).exp()
        of_eps = -half * self.schedule.log_sigma(log_snr_s).exp()
        return super().plan(times)._replace(correction=Factors([of_x], [of_eps]))

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        plan, by_eps = state.plan, prediction.is_of_noise
        euler = first_order_step(z, prediction, plan.down, state.index)
        there = state.denoise_next(euler)
        change = there.eps - prediction.eps if by_eps else there.x - prediction.x
        (of_change,) = plan.correction.at(state.index, z, by_eps=by_eps)
        corrected: Data = euler + change * of_change
        return corrected
