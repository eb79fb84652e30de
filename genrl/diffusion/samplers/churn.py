"""Stochasticity of EDM: the noise is raised before an evaluation, so that a step goes further down.

σ̃ = e^{-λ/2} is the noise level of z/α. Within [s_tmin, s_tmax] it is raised to σ̃ (1 + γ), γ =
min(s_churn / N, √2 - 1), by adding noise of standard deviation s_noise √(σ̃_new² - σ̃²); beyond the
schedule's largest σ̃ it is not raised. Karras et al. 2022, algorithm 2.
"""

import abc
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, rows, weighted_sum
from genrl.diffusion.samplers.first_order import Factors, first_order
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import diffuse_weights, weights_between
from genrl.typing import Data


class ChurnPlan(NamedTuple):
    """The way down, and Euler's factors for it; those of z and the noise on the way up, if any."""

    start: NoiseLevel
    end: NoiseLevel
    down: Factors
    up: Sequence[tuple[float, ...]] = ()


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

    def evaluation_times(self, times: Times) -> Float64[Tensor, " steps"]:
        """The grid, raised by γ within the limits and never beyond the schedule's end."""
        start = times[:-1]
        if self.s_churn == 0:
            return start
        log_snr = self.schedule.log_snr(start)
        noise = (-0.5 * log_snr).exp()
        inside = (self.s_tmin <= noise) & (noise <= self.s_tmax)
        gamma = min(self.s_churn / len(start), math.sqrt(2) - 1)
        raised = self.schedule.time(log_snr - 2 * math.log1p(gamma))
        return torch.where(inside, torch.maximum(raised, start), start)

    def plan(self, times: Times) -> Any:
        """A `ChurnPlan`, or a plan that holds what it holds."""
        raised = self.evaluation_times(times)
        start, end = self.schedule.level(raised), self.schedule.level(times[1:])
        down = first_order(start, *weights_between(start, end))
        if self.s_churn == 0:
            return ChurnPlan(start, end, down)
        keep, std = diffuse_weights(self.schedule, times[:-1], raised)
        return ChurnPlan(start, end, down, rows(keep, self.s_noise * std))

    def prepare(self, z: Data, state: SamplingState) -> Data:
        """z with churn."""
        if not state.plan.up:
            return z
        keep, std = state.plan.up[state.index]
        if keep == 1 and std == 0:
            return z
        return weighted_sum((keep, z), (std, state.noise_like(z)))
