"""Every parameterization recovers x and ε from the output of an ideal network."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genrl.diffusion.parameterizations import (
    BothParameterization,
    EdmParameterization,
    EpsParameterization,
    FlowVelocityParameterization,
    Parameterization,
    VParameterization,
    XParameterization,
    parameterizations,
)
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    NoiseLevel,
    NoiseSchedule,
)

FAMILIES: dict[str, NoiseSchedule] = {
    "variance preserving": CosineSchedule(),
    "flow": FlowSchedule(),
    "variance exploding": EdmSchedule(sigma_min=4.5e-5, sigma_max=2.3e4),
}
Ideal = Callable[[Tensor, Tensor, NoiseLevel], Tensor]


def edm_output(x: Tensor, eps: Tensor, level: NoiseLevel) -> Tensor:
    """(x - c_skip y) / c_out of Karras et al. 2022 with y = x + σ̃ ε, free of cancellation."""
    sigma, data = (-level.log_snr / 2).exp(), 0.7
    return (sigma * x - data**2 * eps) / (data * (sigma**2 + data**2).sqrt())


CASES: dict[str, tuple[Parameterization, Ideal]] = {
    "x": (XParameterization(), lambda x, eps, level: x),
    "eps": (EpsParameterization(), lambda x, eps, level: eps),
    "v": (VParameterization(), lambda x, eps, level: level.alpha * eps - level.sigma * x),
    "both": (BothParameterization(), lambda x, eps, level: torch.cat([x, eps], dim=1)),
    "flow_velocity": (FlowVelocityParameterization(), lambda x, eps, level: eps - x),
    "edm": (EdmParameterization(sigma_data=0.7), edm_output),
}


def level_at(schedule: NoiseSchedule, log_snr: Tensor) -> NoiseLevel:
    values = (log_snr, schedule.log_alpha(log_snr).exp(), schedule.log_sigma(log_snr).exp())
    return NoiseLevel(*(value.reshape(-1, 1, 1) for value in values))


def test_every_registered_parameterization_is_tested() -> None:
    assert sorted(CASES) == parameterizations.names()
    assert all(type(CASES[name][0]) is parameterizations.get(name) for name in CASES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CASES)
def test_an_ideal_output_gives_x_and_eps(name: str, family: str) -> None:
    parameterization, ideal = CASES[name]
    log_snr = torch.linspace(-20, 20, 161, dtype=torch.float64)
    level = level_at(FAMILIES[family], log_snr)
    generator = torch.Generator().manual_seed(0)
    x, eps = torch.randn(2, len(log_snr), 4, 3, generator=generator, dtype=torch.float64)
    z = level.alpha * x + level.sigma * eps
    prediction = parameterization.prediction(ideal(x, eps, level), z, level)
    torch.testing.assert_close(prediction.x, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(prediction.eps, eps, rtol=0, atol=1e-10)
    assert prediction.level is level


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CASES)
def test_output_is_what_an_ideal_network_gives(name: str, family: str) -> None:
    parameterization, ideal = CASES[name]
    log_snr = torch.linspace(-20, 20, 161, dtype=torch.float64)
    level = level_at(FAMILIES[family], log_snr)
    generator = torch.Generator().manual_seed(4)
    x, eps = torch.randn(2, len(log_snr), 4, 3, generator=generator, dtype=torch.float64)
    output = parameterization.output(Prediction(x, eps, level))
    torch.testing.assert_close(output, ideal(x, eps, level), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CASES)
def test_any_output_is_consistent_with_z(name: str, family: str) -> None:
    """α x + σ ε = z whatever the network says, or sampling would drift."""
    parameterization, _ = CASES[name]
    log_snr = torch.linspace(-12, 12, 25, dtype=torch.float64)
    level = level_at(FAMILIES[family], log_snr)
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(25, 4, 3, generator=generator, dtype=torch.float64)
    z = z * (level.alpha**2 + level.sigma**2).sqrt()
    channels = 4 * parameterization.num_outputs
    output = torch.randn(25, channels, 3, generator=generator, dtype=torch.float64)
    prediction = parameterization.prediction(output, z, level)
    rebuilt = level.alpha * prediction.x + level.sigma * prediction.eps
    torch.testing.assert_close(rebuilt, z, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["v", "both", "flow_velocity", "edm"])
def test_stable_parameterizations_keep_small_errors_small_in_float32(name: str) -> None:
    """An output error of 1e-3 stays below 3e-3 in x and ε at both ends; ε alone reaches 22."""
    parameterization, ideal = CASES[name]
    level = level_at(FAMILIES["variance preserving"], torch.tensor([-20.0, 20.0]))
    generator = torch.Generator().manual_seed(2)
    x, eps = torch.randn(2, 2, 4, 3, generator=generator)
    z = level.alpha * x + level.sigma * eps
    prediction = parameterization.prediction(ideal(x, eps, level) + 1e-3, z, level)
    torch.testing.assert_close(prediction.x, x, rtol=0, atol=3e-3)
    torch.testing.assert_close(prediction.eps, eps, rtol=0, atol=3e-3)


def test_eps_prediction_explodes_at_zero_snr() -> None:
    level = level_at(FAMILIES["variance preserving"], torch.tensor([-20.0], dtype=torch.float64))
    z = torch.zeros(1, 1, 1, dtype=torch.float64)
    error = EpsParameterization().prediction(z + 1e-3, z, level).x.item()
    assert error == pytest.approx(-22.0, abs=0.05)
