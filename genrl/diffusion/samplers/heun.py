"""Heun's method for the probability-flow ODE of z/α in σ̃ = σ/α, with EDM's churn.

An Euler step to s, then the mean of the slopes at both ends. With the predictions x at t and x' at
the Euler point,

    z_s = z_s(Euler) + ½ α_s (1 - σ̃_t/σ̃_s) (x - x')

which is the trapezoidal rule without its differences of large numbers. For x = p z + q output that
is where z goes while the output stays what it is, and then what a change of the output adds. The
last step is Euler's: the sampler ends with a prediction. Karras et al. 2022, algorithm 2.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from genrl.diffusion.forms import Form, eps_form, x_form
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import SamplingState, Times, samplers
from genrl.diffusion.samplers.churn import ChurnPlan, ChurnSampler
from genrl.diffusion.samplers.first_order import Columns, Factors, first_order_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.typing import Data


class HeunPlan(NamedTuple):
    """Factors of Euler's step and of its churn, of z and the output, and of the output's change."""

    down: Factors
    up: Sequence[tuple[float, ...]]
    steady: Factors
    change: Factors


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

    def plan(self, times: Times) -> HeunPlan:
        churn: ChurnPlan = super().plan(times)
        start, end = churn.start, churn.end
        weight = 0.5 * end.alpha * torch.expm1(0.5 * (end.log_snr - start.log_snr))

        def steady(form: Form) -> Columns:
            """Euler's step and what x changes along it while the output stays what it is."""
            of_z, of_output = churn.down.columns(form)
            (p, q), (p_end, q_end) = form(start.alpha, start.sigma), form(end.alpha, end.sigma)
            change_by_z = p_end * of_z - p
            change_by_output = p_end * of_output + q_end - q
            return of_z + weight * change_by_z, of_output + weight * change_by_output

        def change(form: Form) -> Columns:
            return (weight * form(end.alpha, end.sigma)[1],)

        return HeunPlan(churn.down, churn.up, Factors(steady), Factors(change))

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        plan, index = state.plan, state.index
        euler = steady = first_order_step(z, prediction, plan.down, index)
        there = state.denoise_next(euler)
        form = prediction.form
        if there.form == form:
            change = there.output - prediction.output
        else:
            form, change = x_form, there.x - prediction.x
        if form not in (x_form, eps_form):  # while either stays what it is, so does the slope
            steady = first_order_step(z, prediction, plan.steady, index)
        (of_change,) = plan.change.at(index, z, form)
        moved: Data = steady + change * of_change
        return moved
