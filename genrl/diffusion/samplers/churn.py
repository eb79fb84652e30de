"""Stochasticity of EDM: the noise is raised before an evaluation, so that a step goes further down.

σ̃ = e^{-λ/2} is the noise level of z/α. Within [s_tmin, s_tmax] it is raised to σ̃ (1 + γ), γ =
min(s_churn / N, √2 - 1), by adding noise of standard deviation s_noise √(σ̃_new² - σ̃²); beyond the
schedule's largest σ̃ it is not raised. Karras et al. 2022, algorithm 2.
"""

import abc
import math

from torch import Tensor

from genrl.diffusion.samplers.base import Sampler, SamplingState
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import diffuse
from genrl.typing import Data


class ChurnSampler(Sampler, abc.ABC):
    """A sampler whose steps may be preceded by churn.

    Args:
        schedule: noise schedule.
        time_grid: where to evaluate.
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
        s_churn: float,
        s_tmin: float,
        s_tmax: float,
        s_noise: float,
        steps: int,
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if min(s_churn, s_tmin, s_tmax, s_noise) < 0:
            raise ValueError("s_churn, s_tmin, s_tmax and s_noise must not be negative")
        self.s_churn = s_churn
        self.s_tmin = s_tmin
        self.s_tmax = s_tmax
        self.s_noise = s_noise

    @property
    def is_stochastic(self) -> bool:
        return self.s_churn > 0

    def prepare(self, z: Data, state: SamplingState) -> tuple[Data, Tensor]:
        """z with churn, and the time that it is at."""
        time = state.times[state.index]
        log_snr = self.schedule.log_snr(time)
        inside = self.s_tmin <= (-0.5 * log_snr).exp().item() <= self.s_tmax
        if self.s_churn == 0 or not inside:
            return z, time
        steps = len(state.times) - 1
        gamma = min(self.s_churn / steps, math.sqrt(2) - 1)
        raised = self.schedule.time(log_snr - 2 * math.log1p(gamma)).clamp(min=time)
        noise = self.s_noise * state.noise_like(z)
        return diffuse(z, noise, self.schedule, time, raised), raised
