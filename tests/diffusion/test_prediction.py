"""Conversions between x, ε, v, score and velocity, and guidance in any of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    NoiseLevel,
    NoiseSchedule,
    Prediction,
)
from genrl.diffusion.forms import Form, eps_form, v_form, velocity_form, x_form

FAMILIES: dict[str, NoiseSchedule] = {
    "variance preserving": CosineSchedule(),
    "flow": FlowSchedule(),
    "variance exploding": EdmSchedule(sigma_min=4.5e-5, sigma_max=2.3e4),
}
LOG_SNR = torch.linspace(-20, 20, 81, dtype=torch.float64)


def level_at(schedule: NoiseSchedule, log_snr: Tensor) -> NoiseLevel:
    """The family's α and σ at log-SNRs, shaped to broadcast against images."""
    values = (log_snr, schedule.log_alpha(log_snr).exp(), schedule.log_sigma(log_snr).exp())
    return NoiseLevel(*(value.reshape(-1, 1, 1, 1) for value in values))


def data_and_noise(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, batch, 3, 4, 2, generator=generator, dtype=torch.float64)


@pytest.fixture(params=FAMILIES, name="family")
def _family(request: pytest.FixtureRequest) -> NoiseSchedule:
    return FAMILIES[request.param]


@pytest.mark.parametrize("quantity", ["x", "eps", "v", "velocity"])
def test_each_quantity_gives_all_the_others(family: NoiseSchedule, quantity: str) -> None:
    x, eps = data_and_noise(len(LOG_SNR))
    level = level_at(family, LOG_SNR)
    z = level.alpha * x + level.sigma * eps
    values = {
        "x": x,
        "eps": eps,
        "v": level.alpha * eps - level.sigma * x,
        "velocity": eps - x,
    }
    prediction = getattr(Prediction, f"from_{quantity}")(values[quantity], z, level)
    torch.testing.assert_close(prediction.x, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(prediction.eps, eps, rtol=0, atol=1e-10)
    torch.testing.assert_close(prediction.velocity, eps - x, rtol=0, atol=1e-10)
    torch.testing.assert_close(prediction.v, values["v"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(prediction.score, -eps / level.sigma, rtol=1e-10, atol=1e-5)


def combined(w: float, first: Tensor, second: Tensor) -> Tensor:
    return (1 + w) * first - w * second


@pytest.mark.parametrize("log_snr", [-18.0, 0.0, 18.0])
@pytest.mark.parametrize("w", [-1.0, 0.0, 1.5, 7.0])
def test_guidance_is_the_same_in_every_space(
    family: NoiseSchedule, w: float, log_snr: float
) -> None:
    """All four are affine in each other at a given z, and the weights 1 + w and -w add up to 1."""
    level = level_at(family, torch.full((5,), log_snr, dtype=torch.float64))
    x, eps = data_and_noise(5)
    z = level.alpha * x + level.sigma * eps
    first, second = (Prediction.from_v(v, z, level) for v in (0.3 * x + eps, eps - x.flip(1)))
    makers: dict[str, Callable[[Tensor, Tensor, NoiseLevel], Prediction]] = {
        "x": Prediction.from_x,
        "eps": Prediction.from_eps,
        "v": Prediction.from_v,
        "velocity": Prediction.from_velocity,
    }
    guided = {
        name: make(combined(w, getattr(first, name), getattr(second, name)), z, level)
        for name, make in makers.items()
    }
    # One part in 1e16 of the larger term, seen through the division by the smaller of α and σ.
    scale = max(1.0, z.abs().max().item())
    tolerance = 3e-11 * scale
    for prediction in guided.values():
        torch.testing.assert_close(prediction.x, guided["v"].x, rtol=0, atol=tolerance)
        torch.testing.assert_close(
            level.alpha * prediction.x + level.sigma * prediction.eps, z, rtol=0, atol=tolerance
        )


def counted(value: Tensor) -> tuple[Callable[[], Tensor], list[int]]:
    calls: list[int] = []

    def find() -> Tensor:
        calls.append(1)
        return value

    return find, calls


def test_what_is_not_given_is_found_once_and_when_it_is_asked_for() -> None:
    x, eps = torch.ones(2, 1), torch.zeros(2, 1)
    (find_x, of_x), (find_eps, of_eps) = counted(x), counted(eps)
    prediction = Prediction(find_x, find_eps, level_at(CosineSchedule(), torch.zeros(2)))
    assert not of_x
    assert prediction.x is x
    assert prediction.x is x
    assert (len(of_x), len(of_eps)) == (1, 0)
    assert prediction.eps is eps
    assert prediction.velocity.tolist() == [[-1], [-1]]
    assert (len(of_x), len(of_eps)) == (1, 1)


@pytest.mark.parametrize(
    ("quantity", "form"),
    [("x", x_form), ("eps", eps_form), ("v", v_form), ("velocity", velocity_form)],
)
def test_x_follows_from_the_output(family: NoiseSchedule, quantity: str, form: Form) -> None:
    """x = p z + q output, also after x and ε were asked for."""
    level = level_at(family, LOG_SNR)
    z, value = data_and_noise(len(LOG_SNR))
    prediction = getattr(Prediction, f"from_{quantity}")(value, z, level)
    x, _ = prediction.x, prediction.eps
    assert prediction.form is form
    assert prediction.output is value
    p, q = form(level.alpha, level.sigma)
    torch.testing.assert_close(p * z + q * value, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("has_gradient", [True, False])
def test_gradients_are_those_of_the_time_of_making(has_gradient: bool) -> None:
    """Not of the time of asking: a target made without stays without, a loss keeps its own."""
    level = level_at(CosineSchedule(), torch.zeros(2, dtype=torch.float64))
    z, eps = data_and_noise(2).requires_grad_()
    with torch.set_grad_enabled(has_gradient):
        prediction = Prediction.from_eps(eps, z, level)
    with torch.set_grad_enabled(not has_gradient):
        x = prediction.x
    assert x.requires_grad is has_gradient
    if has_gradient:
        (slope,) = torch.autograd.grad(x.sum(), z)
        torch.testing.assert_close(slope, (1 / level.alpha).expand_as(z))
