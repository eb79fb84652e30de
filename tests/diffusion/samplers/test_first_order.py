"""Steps from what a network predicts: those from x, without ever asking for x."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.conditioning import bind
from genrl.diffusion.forms import Form, eps_form, v_form, velocity_form, x_form
from genrl.diffusion.guidance import guidances
from genrl.diffusion.noise import generators_for
from genrl.diffusion.parameterizations import EdmParameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Sampler, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order
from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, FlowSchedule, NoiseSchedule
from genrl.diffusion.time_grids import LogSnrTimeGrid
from genrl.diffusion.transitions import ddim_weights

F64 = torch.float64
SCHEDULES: dict[str, NoiseSchedule] = {
    "variance preserving": CosineSchedule(log_snr_min=-12.0),
    "flow": FlowSchedule(log_snr_min=-12.0),
    "variance exploding": EdmSchedule(),
}
CONFIGS: list[Any] = [
    "ancestral",
    "ddim",
    {"name": "ddim", "eta": 0.5},
    "euler",
    {"name": "euler", "s_churn": 4.0},
    "heun",
    {"name": "heun", "s_churn": 4.0},
    "sde",
    "stochastic_distilled",
    {"name": "predictor_corrector", "corrections": 0},
]
IDS = [c if isinstance(c, str) else "_".join(map(str, c.values())) for c in CONFIGS]
EDM = EdmParameterization(sigma_data=0.7)
FORMS: dict[str, Form] = {
    "eps": eps_form,
    "v": v_form,
    "velocity": velocity_form,
    "edm": EDM.form,
}
Denoise = Callable[..., Prediction]


def refuse() -> Tensor:
    raise AssertionError("nobody needs this")


def mixture(schedule: NoiseSchedule, dtype: torch.dtype = F64) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9], [-0.8]], dtype=dtype)
    stds, labels = torch.tensor([0.3, 0.2], dtype=dtype), torch.tensor([0, 1])
    return GaussianMixtureDenoiser(schedule, means, stds, labels=labels)


def given_as(name: str, model: Denoise, *, until: int = 0) -> Denoise:
    """A model that predicts something else than x, which it gives from a call on."""
    calls = 0

    def denoise(z: Tensor, t: Tensor, label: Tensor | None = None, w: object = None) -> Prediction:
        nonlocal calls
        calls += 1
        exact = model(z, t, label)
        output = EDM.output(exact) if name == "edm" else getattr(exact, name)
        x = exact.x if calls >= until else refuse
        return Prediction(x, refuse, exact.level, output=output, form=FORMS[name])

    return denoise


@pytest.fixture(params=CONFIGS, ids=IDS)
def config(request: pytest.FixtureRequest) -> Any:
    return request.param


def built(config: Any, schedule: NoiseSchedule) -> Sampler:
    return samplers.build(config, schedule, LogSnrTimeGrid(schedule))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_samples_are_those_by_x(config: Any, name: str, form: str) -> None:
    """x is found once: it is the result."""
    sampler, model = built(config, SCHEDULES[name]), mixture(SCHEDULES[name])
    noise = torch.randn(4, 64, dtype=F64, generator=torch.Generator().manual_seed(0))
    expected, found = (
        sampler.sample(denoise, noise, steps=9, generator=torch.Generator().manual_seed(1))
        for denoise in (model, given_as(form, model, until=sampler.evaluations(9)))
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_guided_samples_are_those_by_x(config: Any, form: str) -> None:
    """Guidance extrapolates what the network predicts; x of both is needed once."""
    schedule = SCHEDULES["flow"]
    sampler, model = built(config, schedule), mixture(schedule)
    noise = torch.randn(4, 64, dtype=F64, generator=torch.Generator().manual_seed(0))
    expected, found = (
        sampler.sample(
            bind(denoise, torch.tensor([0, 1, 1, 0]), 1.5, guidances.build("cfg", 2)),
            noise,
            steps=9,
            generator=torch.Generator().manual_seed(1),
        )
        for denoise in (model, given_as(form, model, until=sampler.evaluations(9)))
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("first", FORMS)
def test_heun_between_two_forms(first: str) -> None:
    """A guidance may be off at one end of a step and on at the other."""
    schedule = SCHEDULES["flow"]
    sampler, model = built("heun", schedule), mixture(schedule)
    names = [first, "v", "x", "eps", "velocity"] * 4
    order = iter(names)

    def denoise(z: Tensor, t: Tensor) -> Prediction:
        exact, name = model(z, t), next(order)
        if name == "edm":
            return EDM.prediction(EDM.output(exact), z, exact.level)
        made: Prediction = getattr(Prediction, f"from_{name}")(getattr(exact, name), z, exact.level)
        return made

    noise = torch.randn(4, 64, dtype=F64, generator=torch.Generator().manual_seed(0))
    expected = sampler.sample(model, noise, steps=9)
    found = sampler.sample(denoise, noise, steps=9)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_noise_belongs_to_the_example(config: Any, form: str) -> None:
    """A batch of four equals four batches of one, bit for bit."""
    schedule = CosineSchedule(log_snr_min=-12.0)
    sampler, denoise = built(config, schedule), given_as(form, mixture(schedule, torch.float32))
    noise = torch.randn(4, 65, generator=torch.Generator().manual_seed(0))
    together = sampler.sample(denoise, noise, steps=7, generator=generators_for(5, range(4)))
    alone = [
        sampler.sample(denoise, noise[i : i + 1], steps=7, generator=generators_for(5, [i]))
        for i in range(4)
    ]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_of_ddim_are_the_textbooks(name: str) -> None:
    """z_s = α_s (z - σ_t ε) / α_t + σ_s ε, where the difference of the two has its digits."""
    schedule = SCHEDULES[name]
    times = LogSnrTimeGrid(schedule).times(40)[:-1]
    t, s = times[:-1], times[1:]
    level, end = schedule.level(t), schedule.level(s)
    factors = first_order(level, *ddim_weights(schedule, t, s))
    of_z, of_eps = factors.columns(eps_form)
    torch.testing.assert_close(of_z, end.alpha / level.alpha, rtol=1e-12, atol=0)
    by_hand = end.sigma - end.alpha * level.sigma / level.alpha
    torch.testing.assert_close(of_eps, by_hand, rtol=1e-10, atol=0)
    of_z, of_x = factors.columns(x_form)
    torch.testing.assert_close(of_z, end.sigma / level.sigma, rtol=1e-12, atol=0)
    by_hand = end.alpha - level.alpha * end.sigma / level.sigma
    torch.testing.assert_close(of_x, by_hand, rtol=1e-10, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64])
def test_factors_keep_the_digits_of_data(dtype: torch.dtype) -> None:
    """Rounded to 8 bits 1.001 would be 1: data of few digits is multiplied with the number."""
    z = torch.ones(3, dtype=dtype)
    (found,) = Factors(lambda form: [torch.tensor([1.001], dtype=F64)]).at(0, z, x_form)
    assert float(found) == pytest.approx(1.001, rel=1e-7)
    assert torch.equal(z * found, z * 1.001)
    assert (z * found).dtype == dtype
