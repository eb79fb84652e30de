"""Every weighting as the squared error of another quantity, and its type and sign."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genrl.diffusion.parameterizations import EdmParameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LinearSchedule,
    NoiseSchedule,
    VdmLinearSchedule,
    schedules,
)
from genrl.diffusion.weightings import Weighting, weightings

TIMES = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
SCHEDULES: dict[str, NoiseSchedule] = {
    "cosine": CosineSchedule(),
    "edm": EdmSchedule(),
    "flow": FlowSchedule(),
    "linear": LinearSchedule(),
    "vdm_linear": VdmLinearSchedule(),
}


@pytest.fixture(params=SCHEDULES, name="schedule")
def _schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return SCHEDULES[request.param]


def ratio(
    weighting: Weighting, error: Callable[[Prediction], Tensor], schedule: NoiseSchedule
) -> Tensor:
    """Weight over the squared error of a quantity when x is off by 1."""
    level = schedule.level(TIMES)
    one, z = torch.ones_like(TIMES), torch.zeros_like(TIMES)
    wrong, right = Prediction.from_x(one, z, level), Prediction.from_x(z, z, level)
    return weighting(TIMES) / (error(wrong) - error(right)).square()


def test_snr_is_the_error_in_eps(schedule: NoiseSchedule) -> None:
    result = ratio(weightings.build("snr", schedule), lambda p: p.eps, schedule)
    torch.testing.assert_close(result, torch.ones_like(TIMES), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["cosine", "linear", "vdm_linear"])
def test_snr_plus_one_is_the_error_in_v(name: str) -> None:
    schedule = SCHEDULES[name]
    result = ratio(weightings.build("snr_plus_one", schedule), lambda p: p.v, schedule)
    torch.testing.assert_close(result, torch.ones_like(TIMES), rtol=1e-12, atol=0)


def test_velocity_is_the_error_in_velocity(schedule: NoiseSchedule) -> None:
    result = ratio(weightings.build("velocity", schedule), lambda p: p.velocity, schedule)
    torch.testing.assert_close(result, torch.ones_like(TIMES), rtol=1e-12, atol=0)


def test_edm_is_the_error_in_the_output_of_the_edm_parameterization(
    schedule: NoiseSchedule,
) -> None:
    parameterization = EdmParameterization(sigma_data=0.3)
    weighting = weightings.build({"name": "edm", "sigma_data": 0.3}, schedule)
    level = schedule.level(TIMES)
    one, z = torch.ones_like(TIMES), torch.zeros_like(TIMES)
    effect = parameterization.prediction(one, z, level).x
    torch.testing.assert_close(weighting(TIMES) * effect**2, one, rtol=1e-12, atol=0)


def test_truncated_snr_is_the_larger_error(schedule: NoiseSchedule) -> None:
    limit = {"name": "truncated_snr", "max_snr": 1e300}
    result = ratio(
        weightings.build(limit, schedule),
        lambda p: torch.maximum(p.x.abs(), p.eps.abs()),
        schedule,
    )
    torch.testing.assert_close(result, torch.ones_like(TIMES), rtol=1e-12, atol=0)


def test_uniform_is_the_error_in_x(schedule: NoiseSchedule) -> None:
    result = ratio(weightings.build("uniform", schedule), lambda p: p.x, schedule)
    assert (result == 1).all()


def test_vlb_is_half_the_slope_of_gamma_on_the_error_in_eps(schedule: NoiseSchedule) -> None:
    times = torch.arange(1, 72, dtype=torch.float64) * 0.0137
    step = 1e-6
    gamma_slope = (schedule.log_snr(times - step) - schedule.log_snr(times + step)) / (2 * step)
    weight = weightings.build("vlb", schedule)(times)
    snr = weightings.build("snr", schedule)(times)
    torch.testing.assert_close(weight / snr, 0.5 * gamma_slope, rtol=1e-6, atol=0)


def test_limits() -> None:
    """λ = 13.3 - 18.3 t: SNR is e² at t = 11.3/18.3 and e^{-2} at t = 15.3/18.3."""
    times = torch.tensor([0.0, 11.3, 15.3], dtype=torch.float64) / 18.3
    schedule = VdmLinearSchedule()
    high, low = math.exp(2), math.exp(-2)
    expected = {
        "truncated_snr": [1e4, high, 1.0],
        "min_snr": [5.0, 5.0, low],
    }
    for name, values in expected.items():
        weight = weightings.build(name, schedule)(times)
        assert weight.tolist() == pytest.approx(values, rel=1e-12)
    wider = weightings.build({"name": "min_snr", "gamma": 7.0}, schedule)
    assert wider(times).tolist() == pytest.approx([7.0, 7.0, low], rel=1e-12)
    wider = weightings.build({"name": "truncated_snr", "max_snr": 3.0}, schedule)
    assert wider(times).tolist() == pytest.approx([3.0, 3.0, 1.0], rel=1e-12)


@pytest.mark.parametrize("name", weightings.names())
def test_type_sign_and_finiteness_everywhere(name: str) -> None:
    for schedule_name in schedules.names():
        weighting = weightings.build(name, schedules.build(schedule_name))
        for dtype in (torch.float32, torch.float64):
            weight = weighting(torch.linspace(0, 1, 33, dtype=dtype))
            assert weight.dtype == dtype
            assert weight.shape == (33,)
            assert weight.isfinite().all()
            assert (weight >= 0).all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "edm", "sigma_data": 0.0}, "sigma_data must be positive"),
        ({"name": "min_snr", "gamma": 0.0}, "gamma must be positive"),
        ({"name": "truncated_snr", "max_snr": 0.5}, "max_snr must be at least 1"),
        ({"name": "truncated_snr", "max_snr": float("nan")}, "max_snr must be at least 1"),
    ],
)
def test_impossible_parameters_are_refused(config: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weightings.build(config, CosineSchedule())
