"""Classical mistakes in samplers, each of which the check must see; their right forms pass."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion.building import build_sampler
from genrl.diffusion.forms import Form, eps_form
from genrl.diffusion.parameterizations import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Sampler, SamplingState, samplers
from genrl.diffusion.samplers.first_order import (
    Columns,
    Factors,
    first_order,
    first_order_step,
)
from genrl.diffusion.schedules import (
    CosineSchedule,
    NoiseLevel,
    VdmLinearSchedule,
)
from genrl.diffusion.time_grids import LogSnrTimeGrid, TimeGrid
from genrl.diffusion.transitions import ddim_step, ddim_weights, posterior_std
from genrl.testing import (
    CheckError,
    check_sampler,
)
from genrl.typing import Data

SCHEDULE = VdmLinearSchedule(log_snr_min=-8.0, log_snr_max=10.0)
GRID = LogSnrTimeGrid(SCHEDULE)
EVALUATIONS = (10, 20, 40)

Step = Callable[[Any, Data, Prediction, SamplingState], Data]


def sampler_with(step: Step, *, order: int = 1, noise: bool = False) -> Sampler:
    made = type(
        "MadeSampler",
        (Sampler,),
        {"order": order, "step": step, "is_stochastic": property(lambda _: noise)},
    )
    built = made(SCHEDULE, GRID)
    assert isinstance(built, Sampler)
    return built


def right_ddim(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
    return ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time)


def ddim_with_the_noise_of_t(
    self: Sampler, z: Data, prediction: Prediction, state: SamplingState
) -> Data:
    level, end = SCHEDULE.level(state.time), SCHEDULE.level(state.next_time)
    return end.alpha * prediction.x + level.sigma * prediction.eps


def ddim_without_alpha(
    self: Sampler, z: Data, prediction: Prediction, state: SamplingState
) -> Data:
    return prediction.x + SCHEDULE.level(state.next_time).sigma * prediction.eps


def ddim_with_the_wrong_sign(
    self: Sampler, z: Data, prediction: Prediction, state: SamplingState
) -> Data:
    end = SCHEDULE.level(state.next_time)
    return end.alpha * prediction.x - end.sigma * prediction.eps


def second_order(factor: float) -> Step:
    """2M, whose extrapolation is multiplied by a factor; 1 is right."""

    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        x = prediction.x
        if state.predictions:
            x = x + factor * 0.5 * (x - state.predictions[-1].x)
        return ddim_step(z, x, SCHEDULE, state.time, state.next_time)

    return step


def posterior(factor: float) -> Step:
    """DDPM's step with the small variance, whose noise is multiplied by a factor; 1 is right."""

    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        mean = ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time, eta=1.0)
        std = posterior_std(SCHEDULE, state.time, state.next_time)
        return mean + factor * std * state.noise_like(z)

    return step


def variance_for_std(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
    mean = ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time, eta=1.0)
    return mean + posterior_std(SCHEDULE, state.time, state.next_time) ** 2 * state.noise_like(z)


def noise_on_the_ddim_mean(
    self: Sampler, z: Data, prediction: Prediction, state: SamplingState
) -> Data:
    mean = ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time)
    return mean + posterior_std(SCHEDULE, state.time, state.next_time) * state.noise_like(z)


@pytest.mark.parametrize(
    ("step", "order", "noise"),
    [(right_ddim, 1, False), (second_order(1.0), 2, False), (posterior(1.0), 1, True)],
)
def test_a_right_sampler_passes(step: Step, order: int, noise: bool) -> None:
    sampler = sampler_with(step, order=order, noise=noise)
    figures = check_sampler(sampler, evaluations=(20, 40, 80))
    if noise:
        assert figures["limit_error"] < 0.01
    else:
        assert order - 0.2 < figures["order"] < order + 0.3
    assert figures["error@20"] > figures["error@40"] > figures["error@80"] > 0


@pytest.mark.parametrize(
    ("step", "order", "noise"),
    [
        pytest.param(right_ddim, 2, False, id="first order called second"),
        pytest.param(second_order(1.0), 3, False, id="second order called third"),
        pytest.param(second_order(-1.0), 2, False, id="sign of the extrapolation"),
        pytest.param(second_order(2.0), 2, False, id="half of the extrapolation forgotten"),
        pytest.param(ddim_with_the_noise_of_t, 1, False, id="σ at t for σ at s"),
        pytest.param(ddim_without_alpha, 1, False, id="α forgotten"),
        pytest.param(ddim_with_the_wrong_sign, 1, False, id="sign of ε"),
        pytest.param(posterior(1 / math.sqrt(2)), 1, True, id="√2 lost in the noise"),
        pytest.param(posterior(1.05), 1, True, id="noise 5 % too strong"),
        pytest.param(variance_for_std, 1, True, id="variance for standard deviation"),
        pytest.param(noise_on_the_ddim_mean, 1, True, id="noise added, none taken away"),
    ],
)
def test_a_wrong_sampler_is_found(step: Step, order: int, noise: bool) -> None:
    with pytest.raises(CheckError, match=r"measured order|stays off") as caught:
        check_sampler(sampler_with(step, order=order, noise=noise), evaluations=EVALUATIONS)
    figures = caught.value.figures
    assert figures["limit_error"] > 0.02 if noise else figures["order"] < order


def test_a_sampler_that_hides_evaluations_is_found() -> None:
    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        state.denoise(z, state.time.expand(len(z)))
        return right_ddim(self, z, prediction, state)

    with pytest.raises(CheckError, match="evaluate the network 39 times"):
        check_sampler(sampler_with(step), evaluations=(20, 40))


def test_noise_that_is_not_the_generators_is_found() -> None:
    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        mean = ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time, eta=1.0)
        noise = torch.randn_like(z[:1]).expand_as(z)
        return mean + posterior_std(SCHEDULE, state.time, state.next_time) * noise

    torch.manual_seed(0)
    with pytest.raises(CheckError, match=r"mean or standard deviation|same noise gives other"):
        check_sampler(sampler_with(step, noise=True), evaluations=EVALUATIONS)


def test_noise_of_one_example_for_all_is_found() -> None:
    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        mean = ddim_step(z, prediction.x, SCHEDULE, state.time, state.next_time, eta=1.0)
        noise = state.noise_like(z[:1]).expand_as(z)
        return mean + posterior_std(SCHEDULE, state.time, state.next_time) * noise

    with pytest.raises(CheckError, match="noise of shape"):
        check_sampler(sampler_with(step, noise=True), evaluations=EVALUATIONS)


def test_a_parameterization_that_changes_the_samples_is_found() -> None:
    class NearlyV(Parameterization):
        def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
            x = level.alpha * z - 1.0001 * level.sigma * output
            return Prediction(x, level.sigma * z + level.alpha * output, level)

        def output(self, prediction: Prediction) -> Data:
            return prediction.v

    right = [parameterizations.build(name) for name in ("v", "both", "edm")]
    for sampler in (sampler_with(right_ddim), sampler_with(posterior(1.0), noise=True)):
        figures = check_sampler(sampler, right, evaluations=EVALUATIONS)
        assert figures["conversion_error"] < 1e-9
        with pytest.raises(CheckError, match="a parameterization changes the samples"):
            check_sampler(sampler, [NearlyV()], evaluations=EVALUATIONS)


@pytest.mark.parametrize("factor", [1.0, -1.0, 1.001])
def test_a_step_from_every_form_is_proved(factor: float) -> None:
    """Factors of ε that are wrong show themselves only to a network that predicts it."""

    def plan(self: Sampler, times: Tensor) -> Factors:
        t, s = times[:-1], times[1:]
        right = first_order(SCHEDULE.level(t), *ddim_weights(SCHEDULE, t, s))

        def columns(form: Form) -> Columns:
            of_z, of_output = right.columns(form)
            return of_z, (factor if form == eps_form else 1) * of_output

        return Factors(columns)

    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        return first_order_step(z, prediction, state.plan, state.index)

    sampler = sampler_with(step)
    type(sampler).plan = plan  # type: ignore[method-assign]
    given = {name: parameterizations.build(name) for name in ("v", "eps")}
    check_sampler(sampler, [given["v"]], evaluations=EVALUATIONS)
    if factor == 1:
        figures = check_sampler(sampler, list(given.values()), evaluations=EVALUATIONS)
        assert figures["conversion_error"] < 1e-12
    else:
        with pytest.raises(CheckError, match="a parameterization changes the samples"):
            check_sampler(sampler, list(given.values()), evaluations=EVALUATIONS)


def test_a_step_that_changes_z_in_place_is_found() -> None:
    """Exact predictions do not mind; x of a network is found from z when it is asked for."""

    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        of_z, of_x = ddim_weights(SCHEDULE, state.time, state.next_time)
        z *= of_z
        z += of_x * prediction.x
        return z

    sampler = sampler_with(step)
    check_sampler(sampler, evaluations=EVALUATIONS)
    with pytest.raises(CheckError, match="a parameterization changes the samples"):
        check_sampler(sampler, [parameterizations.build("v")], evaluations=EVALUATIONS)


@pytest.mark.parametrize("noised_to", ["next_time", "time"])
def test_a_sampler_of_consistency_models_is_proved_on_one(noised_to: str) -> None:
    def step(self: Sampler, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        end = SCHEDULE.level(getattr(state, noised_to))
        return end.alpha * prediction.x + end.sigma * state.noise_like(z)

    sampler = sampler_with(step, noise=True)
    with pytest.raises(CheckError, match="mean or standard deviation"):
        check_sampler(sampler, evaluations=EVALUATIONS)
    type(sampler).of_consistency = True
    if noised_to == "next_time":
        assert check_sampler(sampler, evaluations=EVALUATIONS)["error@20"] < 1e-12
    else:
        with pytest.raises(CheckError, match="should be exact"):
            check_sampler(sampler, evaluations=EVALUATIONS)


def test_a_sampler_that_stops_early_is_found() -> None:
    """Its steps are right, but the last prediction is made at a high noise level."""

    class EarlyTimeGrid(TimeGrid):
        def times(self, steps: int) -> Tensor:
            return torch.cat([torch.linspace(1, 0.6, steps).double(), torch.zeros(1).double()])

    sampler = samplers.build("ddim", SCHEDULE, EarlyTimeGrid(SCHEDULE))
    with pytest.raises(CheckError, match="stays off"):
        check_sampler(sampler, evaluations=EVALUATIONS)


@pytest.mark.parametrize("name", samplers.names())
def test_every_sampler_is_proved_on_its_own_grid(name: str) -> None:
    check_sampler(build_sampler(name, CosineSchedule()), evaluations=EVALUATIONS)
