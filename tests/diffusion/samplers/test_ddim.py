"""DDIM: exact where the model is a point, and its noise that of the posterior."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.samplers import AncestralSampler, DDIMSampler, SamplingState
from genrl.diffusion.schedules import CosineSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64


def gaussian(schedule: torch.nn.Module, mean: float, std: float) -> GaussianDenoiser:
    return GaussianDenoiser(
        schedule, torch.tensor([mean], dtype=F64), torch.tensor([std], dtype=F64)
    )


@pytest.mark.parametrize("name", schedules.names())
def test_keeps_the_noise_of_a_point_mass(name: str) -> None:
    """For data that is one point z = α m + σ ε stays true with the first ε."""
    schedule = schedules.build(name)
    model = gaussian(schedule, 0.7, 0.0)
    sampler = DDIMSampler(schedule, UniformTimeGrid(schedule))
    first = schedule.level(torch.ones(1, dtype=F64))
    eps = torch.tensor([[1.3], [-0.4]], dtype=F64)
    # A sampler starts without the trace of data that is left at t = 1.
    noise = eps + first.alpha / first.sigma * 0.7
    result = sampler.trajectory(model, noise, steps=8)
    for t, z in zip(result.times, result.z, strict=True):
        level = schedule.level(torch.tensor(t, dtype=F64))
        torch.testing.assert_close(z, level.alpha * 0.7 + level.sigma * eps, rtol=1e-12, atol=0)


def test_full_eta_is_the_ancestral_sampler_with_the_small_variance() -> None:
    schedule = CosineSchedule()
    grid = UniformTimeGrid(schedule)
    model, noise = gaussian(schedule, 0.7, 0.5), torch.randn(5, 3, dtype=F64)
    results = [
        sampler.sample(model, noise, steps=9, generator=torch.Generator().manual_seed(0))
        for sampler in (
            DDIMSampler(schedule, grid, eta=1.0),
            AncestralSampler(schedule, grid, variance_interpolation=0.0),
        )
    ]
    assert torch.equal(*results)


@pytest.mark.parametrize("name", schedules.names())
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_any_eta_keeps_the_marginal_of_a_point_mass(
    name: str, eta: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unit vectors as noise: the rows' squares add up to the variance σ² at every time."""
    schedule = schedules.build(name)
    model = gaussian(schedule, 0.0, 0.0)
    sampler = DDIMSampler(schedule, UniformTimeGrid(schedule), eta=eta)
    rows = iter(torch.eye(8, dtype=F64)[1:, :, None])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    result = sampler.trajectory(model, torch.eye(8, dtype=F64)[0][:, None], steps=8)
    for t, z in zip(result.times, result.z, strict=True):
        sigma = schedule.level(torch.tensor(t, dtype=F64)).sigma.item()
        assert z.square().sum().item() == pytest.approx(sigma**2, rel=1e-12)


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_refuses_eta_outside_of_its_range(eta: float) -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match=r"eta must be in \[0, 1\]"):
        DDIMSampler(schedule, UniformTimeGrid(schedule), eta=eta)
