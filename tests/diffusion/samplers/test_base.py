"""What every sampler promises: evaluations, noise tied to the example, the result in one call."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.noise import generators_for
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import ConsistencySampler, Sampler, samplers
from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, NoiseSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError

F64 = torch.float64
CONFIGS = [
    *samplers.names(),
    {"name": "ddim", "eta": 0.5},
    {"name": "euler", "s_churn": 4.0},
    {"name": "heun", "s_churn": 4.0},
    {"name": "sde", "eta": 0.0},
    {"name": "dpm_solver_pp_sde", "eta": 0.0},
    {"name": "predictor_corrector", "corrections": 0, "eta": 0.0},
    {"name": "predictor_corrector", "corrections": 3},
    {"name": "unipc", "order": 3},
]
IDS = [c if isinstance(c, str) else "_".join(map(str, c.values())) for c in CONFIGS]


def oracle(schedule: NoiseSchedule, dtype: torch.dtype = F64) -> GaussianDenoiser:
    mean, std = torch.tensor([0.7], dtype=dtype), torch.tensor([0.5], dtype=dtype)
    return GaussianDenoiser(schedule, mean, std)


@pytest.fixture(params=CONFIGS, ids=IDS)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    schedule = CosineSchedule()
    return samplers.build(request.param, schedule, UniformTimeGrid(schedule))


def test_noise_belongs_to_the_example(sampler: Sampler) -> None:
    """A batch of four equals four batches of one, bit for bit."""
    denoise = oracle(sampler.schedule, torch.float32)
    noise = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    together = sampler.sample(denoise, noise, steps=7, generator=generators_for(5, range(4)))
    alone = [
        sampler.sample(denoise, noise[i : i + 1], steps=7, generator=generators_for(5, [i]))
        for i in range(4)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_is_stochastic_says_whether_the_generator_matters(sampler: Sampler) -> None:
    denoise, noise = oracle(sampler.schedule), torch.ones(1, 64, dtype=F64)
    results = [
        sampler.sample(denoise, noise, steps=6, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2]) != sampler.is_stochastic


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_counts_its_evaluations_and_ends_with_a_prediction(sampler: Sampler, steps: int) -> None:
    calls: list[torch.Tensor] = []
    model = oracle(sampler.schedule)

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        assert t.shape == (3,)
        assert t.dtype == F64
        calls.append(t)
        return model(z, t)

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 64, dtype=F64, generator=generator)
    result = sampler.trajectory(denoise, noise, steps=steps, generator=generator)
    assert len(calls) == sampler.evaluations(steps)
    assert all(t.min() > 0 for t in calls)
    assert len(result.times) == len(result.z) == len(result.predictions) == steps
    assert result.times[0] == 1
    assert torch.equal(result.x, result.predictions[-1].x)
    generator.manual_seed(0)
    torch.randn(3, 64, dtype=F64, generator=generator)
    assert torch.equal(sampler.sample(model, noise, steps=steps, generator=generator), result.x)


def test_default_number_of_steps(sampler: Sampler) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.zeros(1, 64, dtype=F64)
    result = sampler.trajectory(oracle(sampler.schedule), noise, generator=generator)
    assert len(result.z) == sampler.steps == (4 if isinstance(sampler, ConsistencySampler) else 64)
    assert sampler.evaluations() == sampler.evaluations(sampler.steps)


def test_one_step_is_the_prediction_from_pure_noise(sampler: Sampler) -> None:
    model, noise = oracle(sampler.schedule), torch.tensor([[1.3]], dtype=F64)
    one = torch.ones(1, dtype=F64)
    expected = model(noise * sampler.schedule.level(one).sigma, one).x
    assert torch.equal(sampler.sample(model, noise, steps=1), expected)


@pytest.mark.parametrize("name", samplers.names())
def test_noise_is_scaled_to_the_schedule(name: str) -> None:
    """The variance-exploding schedule starts at σ = 80, and data types are kept."""
    schedule = EdmSchedule()
    sampler = samplers.build(name, schedule, UniformTimeGrid(schedule))
    generator = torch.Generator().manual_seed(0)
    result = sampler.trajectory(
        oracle(schedule, torch.float32), torch.ones(1, 64), steps=3, generator=generator
    )
    assert result.z[0].max().item() == pytest.approx(80, rel=1e-6)
    assert result.x.dtype == torch.float32


@pytest.mark.parametrize("name", samplers.names())
def test_refuses_no_steps(name: str) -> None:
    schedule = CosineSchedule()
    with pytest.raises(ConfigurationError, match="steps must be at least 1, not 0"):
        samplers.build({"name": name, "steps": 0}, schedule, UniformTimeGrid(schedule))
