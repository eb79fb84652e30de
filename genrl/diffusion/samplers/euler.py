"""Euler's method for the probability-flow ODE of z/α in σ̃ = σ/α, with EDM's churn.

y = z/α:  dy/dσ̃ = (y - x) / σ̃,  y_s = y_t + (σ̃_s - σ̃_t) (y_t - x) / σ̃_t

Without churn this is DDIM, step by step. Karras et al. 2022, algorithm 2 without the second-order
correction.
"""

import math

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import SamplingState, samplers
from genrl.diffusion.samplers.churn import ChurnSampler
from genrl.diffusion.samplers.first_order import first_order_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.typing import Data


@samplers.register("euler")
class EulerSampler(ChurnSampler):
    """First order, one evaluation for each step.

    Args:
        s_churn: total amount of churn, shared by the steps; 0 is deterministic.
        s_tmin: smallest σ̃ that is churned.
        s_tmax: largest σ̃ that is churned.
        s_noise: factor on the standard deviation of the added noise.
        steps: number of grid intervals.

    Raises:
        ValueError: if one of them is negative.
    """

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

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        return first_order_step(z, prediction, state.plan.down, state.index)
