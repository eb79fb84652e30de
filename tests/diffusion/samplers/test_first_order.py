"""Steps by ε: those by x, without ever asking a network that predicts ε for x."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.noise import generators_for
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Sampler, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    NoiseSchedule,
)
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
    "predictor_corrector",
]
IDS = [c if isinstance(c, str) else "_".join(map(str, c.values())) for c in CONFIGS]
Model = Callable[[Tensor, Tensor], Prediction]


def mixture(schedule: NoiseSchedule, dtype: torch.dtype = F64) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9], [-0.8]], dtype=dtype)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=dtype))


def by_noise(model: Model, may_find_x: Callable[[], bool] = lambda: True) -> Model:
    def denoise(z: Tensor, t: Tensor) -> Prediction:
        exact = model(z, t)

        def find() -> Tensor:
            assert may_find_x()
            return exact.x

        return Prediction(find, exact.eps, exact.level)

    return denoise


@pytest.fixture(params=CONFIGS, ids=IDS)
def config(request: pytest.FixtureRequest) -> Any:
    return request.param


def built(config: Any, schedule: NoiseSchedule) -> Sampler:
    return samplers.build(config, schedule, LogSnrTimeGrid(schedule))


@pytest.mark.parametrize("name", SCHEDULES)
def test_samples_by_noise_are_those_by_x(config: Any, name: str) -> None:
    """x is found once: it is the result."""
    sampler, model = built(config, SCHEDULES[name]), mixture(SCHEDULES[name])
    noise = torch.randn(4, 64, dtype=F64, generator=torch.Generator().manual_seed(0))
    expected = sampler.sample(model, noise, steps=9, generator=torch.Generator().manual_seed(1))
    is_over = False
    calls = 0

    def denoise(z: Tensor, t: Tensor) -> Prediction:
        nonlocal calls, is_over
        calls += 1
        is_over = calls == sampler.evaluations(9)
        return by_noise(model, lambda: is_over)(z, t)

    found = sampler.sample(denoise, noise, steps=9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_noise_belongs_to_the_example(config: Any) -> None:
    """A batch of four equals four batches of one, bit for bit."""
    schedule = CosineSchedule(log_snr_min=-12.0)
    sampler, denoise = built(config, schedule), by_noise(mixture(schedule, torch.float32))
    noise = torch.randn(4, 65, generator=torch.Generator().manual_seed(0))
    together = sampler.sample(denoise, noise, steps=7, generator=generators_for(5, range(4)))
    alone = [
        sampler.sample(denoise, noise[i : i + 1], steps=7, generator=generators_for(5, [i]))
        for i in range(4)
    ]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_are_the_textbooks(name: str) -> None:
    """z_s = α_s (z - σ_t ε) / α_t + σ_s ε, where the difference of the two has its digits."""
    schedule = SCHEDULES[name]
    times = LogSnrTimeGrid(schedule).times(40)[:-1]
    t, s = times[:-1], times[1:]
    level, end = schedule.level(t), schedule.level(s)
    of_z, of_eps = first_order(schedule, t, *ddim_weights(schedule, t, s)).by_eps
    torch.testing.assert_close(of_z, end.alpha / level.alpha, rtol=1e-12, atol=0)
    by_hand = end.sigma - end.alpha * level.sigma / level.alpha
    torch.testing.assert_close(of_eps, by_hand, rtol=1e-10, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64])
def test_factors_keep_the_digits_of_data(dtype: torch.dtype) -> None:
    """Rounded to 8 bits 1.001 would be 1: data of few digits is multiplied with the number."""
    number, z = torch.tensor([1.001], dtype=F64), torch.ones(3, dtype=dtype)
    factors = Factors([number], [2 * number])
    (by_x,), (by_eps,) = (factors.at(0, z, by_eps=by_eps) for by_eps in (False, True))
    for found, exact in ((by_x, 1.001), (by_eps, 2.002)):
        assert float(found) == pytest.approx(exact, rel=1e-7)
        assert torch.equal(z * found, z * exact)
        assert (z * found).dtype == dtype
