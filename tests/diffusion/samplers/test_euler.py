"""Euler in z/α is DDIM, and churn keeps the marginal."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.samplers import DDIMSampler, EulerSampler, HeunSampler, SamplingState
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))


@pytest.mark.parametrize("name", schedules.names())
def test_without_churn_it_is_ddim(name: str) -> None:
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    noise = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    euler, ddim = (
        sampler(schedule, grid).sample(mixture(schedule), noise, steps=12)
        for sampler in (EulerSampler, DDIMSampler)
    )
    assert torch.equal(euler, ddim)


def test_against_the_slope_form() -> None:
    """dy/dσ̃ = (y - x) / σ̃ in the frame y = z/α, integrated by hand."""
    schedule = CosineSchedule(log_snr_min=-8, log_snr_max=12)
    model, grid = mixture(schedule), UniformTimeGrid(schedule)
    noise = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    times = grid.times(10)
    level = schedule.level(times)
    scale = (-level.log_snr / 2).exp()
    y = noise * scale[0]
    for i in range(10):
        x = model(y * level.alpha[i], times[i].expand(4)).x
        slope = (y - x) / scale[i]
        y = y + ((scale[i + 1] if i < 9 else 0) - scale[i]) * slope
    found = EulerSampler(schedule, grid).sample(model, noise, steps=10)
    torch.testing.assert_close(found, y, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", [EulerSampler, HeunSampler])
@pytest.mark.parametrize("name", schedules.names())
def test_churn_keeps_the_marginal_of_a_point_mass(
    name: str, kind: type[EulerSampler | HeunSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variance at every churned time is σ² of that time; t = 1 is not raised."""
    schedule, steps = schedules.build(name), 9
    model = GaussianDenoiser(schedule, torch.zeros(1, dtype=F64), torch.zeros(1, dtype=F64))
    sampler = kind(schedule, UniformTimeGrid(schedule), s_churn=2.7)
    units = torch.eye(steps + 1, dtype=F64)[:, :, None]
    rows = iter(units[1:])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    result = sampler.trajectory(model, units[0], steps=steps)
    grid = sampler.time_grid.times(steps)
    for t, low, z in zip(result.times, grid[:-1], result.z, strict=True):
        level = schedule.level(torch.tensor([t, low], dtype=F64))
        assert z.square().sum().item() == pytest.approx(level.sigma[0].item() ** 2, rel=1e-10)
        growth = math.exp(0.5 * (level.log_snr[1] - level.log_snr[0]).item())
        assert growth == pytest.approx(1.0 if low == 1 else 1.3, rel=1e-9)


def state_at(sampler: EulerSampler, index: int, steps: int) -> SamplingState:
    times = sampler.time_grid.times(steps)
    plan, batch = sampler.plan(times), times[:, None]
    return SamplingState(mixture(sampler.schedule), times, batch, plan, None, index)


@pytest.mark.parametrize(
    ("s_churn", "limits", "growth"),
    [
        (0.0, (0.0, math.inf), 1.0),
        (2.0, (0.0, math.inf), 1.2),
        (1000.0, (0.0, math.inf), math.sqrt(2)),
        (2.0, (0.0, 0.9), 1.0),
        (2.0, (1.1, 50.0), 1.0),
        (2.0, (0.9, 1.1), 1.2),
    ],
)
def test_amount_and_range_of_churn(
    s_churn: float, limits: tuple[float, float], growth: float
) -> None:
    """At t = ½ the cosine schedule has σ̃ = 1."""
    schedule = CosineSchedule()
    sampler = EulerSampler(
        schedule, UniformTimeGrid(schedule), s_churn=s_churn, s_tmin=limits[0], s_tmax=limits[1]
    )
    z = torch.zeros(2, 2, dtype=F64)
    state = state_at(sampler, 5, 10)
    raised, time = sampler.prepare(z, state), sampler.evaluation_times(state.times)[5]
    assert (-0.5 * schedule.log_snr(time)).exp().item() == pytest.approx(growth, rel=1e-12)
    assert (raised is z) == (growth == 1)


def test_noise_factor_scales_the_added_noise_alone() -> None:
    """At the churned level of VP: z <- (α̂/α) z + s_noise √(σ̂² - (α̂/α)² σ²) ε."""
    schedule = CosineSchedule()
    z = torch.full((200_000, 1), 2.0, dtype=F64)
    sampler = EulerSampler(schedule, UniformTimeGrid(schedule), s_churn=4.0, s_noise=1.5)
    state = state_at(sampler, 5, 10)
    state.generator = torch.Generator().manual_seed(0)
    raised, time = sampler.prepare(z, state), sampler.evaluation_times(state.times)[5]
    low, high = schedule.level(state.times[5]), schedule.level(time)
    shrink = (high.alpha / low.alpha).item()
    std = 1.5 * (high.sigma**2 - (shrink * low.sigma) ** 2).sqrt().item()
    assert raised.mean().item() == pytest.approx(2 * shrink, abs=4 * std / math.sqrt(200_000))
    assert raised.std().item() == pytest.approx(std, rel=4 / math.sqrt(400_000))


def test_refuses_negative_churn() -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match="must not be negative"):
        EulerSampler(schedule, UniformTimeGrid(schedule), s_churn=-1.0)
