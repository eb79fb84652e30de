"""The reverse-time SDE: variances propagated exactly through the sampler, and its two ends."""

import math
from itertools import pairwise

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.noise import generators_for
from genrl.diffusion.samplers import DDIMSampler, Sampler, SamplingState, SDESampler, Trajectory
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import LogSnrTimeGrid, UniformTimeGrid
from genrl.diffusion.transitions import sde_weights

F64 = torch.float64


def gaussian(schedule: NoiseSchedule, mean: float, std: float) -> GaussianDenoiser:
    return GaussianDenoiser(
        schedule, torch.tensor([mean], dtype=F64), torch.tensor([std], dtype=F64)
    )


def columns(
    sampler: Sampler, std: float, steps: int, monkeypatch: pytest.MonkeyPatch, start: float = 1.0
) -> Trajectory:
    """The sampler's linear map: row k has a unit of the k-th noise and nothing of the others."""
    units = torch.eye(steps, dtype=F64)[:, :, None]
    rows = iter(units[1:])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    return sampler.trajectory(gaussian(sampler.schedule, 0.0, std), units[0] * start, steps=steps)


@pytest.mark.parametrize("eta", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("name", schedules.names())
def test_exact_for_a_point_mass(name: str, eta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """x does not change along a step: every marginal is exact, whatever the noise."""
    schedule = schedules.build(name)
    sampler = SDESampler(schedule, UniformTimeGrid(schedule), eta=eta)
    result = columns(sampler, 0.0, 8, monkeypatch)
    for t, z in zip(result.times, result.z, strict=True):
        sigma = schedule.level(torch.tensor(t, dtype=F64)).sigma.item()
        assert z.square().sum().item() == pytest.approx(sigma**2, rel=1e-11)


@pytest.mark.parametrize("eta", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", schedules.names())
def test_the_spread_becomes_exact(name: str, eta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data N(0, 0.5²), from the exact marginal at t = 1: the error of std falls like 1/N."""
    schedule = schedules.build(name)
    sampler = SDESampler(schedule, LogSnrTimeGrid(schedule), eta=eta)
    first = schedule.level(torch.ones((), dtype=F64))
    start = (torch.hypot(0.5 * first.alpha, first.sigma) / first.sigma).item()
    errors = []
    for steps in (64, 128, 256):
        result = columns(sampler, 0.5, steps, monkeypatch, start)
        exact = gaussian(schedule, 0.0, 0.5)
        zero = torch.zeros(1, dtype=F64)
        level = schedule.level(zero)
        z = torch.hypot(0.5 * level.alpha, level.sigma)[:, None]
        target = exact(z, zero).x.abs().item()
        errors.append(abs(result.x.square().sum().sqrt().item() - target))
    assert errors[-1] < 0.03
    assert all(0.8 < math.log2(a / b) < 1.15 for a, b in pairwise(errors))


@pytest.mark.parametrize("name", schedules.names())
def test_between_ddim_and_ddpm(name: str) -> None:
    """η = 0 is DDIM; η = 1 is DDIM with its own η = 1, with the same noise."""
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    noise = torch.randn(4, 1, dtype=F64, generator=torch.Generator().manual_seed(0))
    for eta in (0.0, 1.0):
        ours, ddim = (
            kind(schedule, grid, eta=eta).sample(
                gaussian(schedule, 0.7, 0.5), noise, steps=12, generator=generators_for(3, range(4))
            )
            for kind in (SDESampler, DDIMSampler)
        )
        torch.testing.assert_close(ours, ddim, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_two_steps_are_one_for_a_constant_x(eta: float) -> None:
    """Exact solutions compose: t -> m -> s equals t -> s in mean and variance."""
    schedule = CosineSchedule()
    t, m, s = torch.tensor([0.9, 0.6, 0.2], dtype=F64)
    (a, b, c), (d, e, f), (g, h, i) = (
        (w.item() for w in sde_weights(schedule, *pair, eta)) for pair in ((t, m), (m, s), (t, s))
    )
    assert d * a == pytest.approx(g, rel=1e-12)
    assert d * b + e == pytest.approx(h, rel=1e-12)
    assert (d * c) ** 2 + f**2 == pytest.approx(i**2, rel=1e-12)


def test_its_weights_solve_the_sde_to_first_order() -> None:
    """dz = (f z - ½ (1 + η) g² score) dt + √η g dw with f and g² of the cosine schedule."""
    schedule, eta, t, dt = CosineSchedule(), 0.7, 0.4, 1e-6
    ends = torch.tensor([t, t - dt], dtype=F64)
    of_z, of_x, std = (w.item() for w in sde_weights(schedule, ends[0], ends[1], eta))
    at = schedule.level(ends[0])
    alpha, sigma = at.alpha.item(), at.sigma.item()
    log_alpha = schedule.log_alpha(schedule.log_snr(ends))
    drift = ((log_alpha[0] - log_alpha[1]) / dt).item()  # d log α / dt = f
    slope = schedule.log_snr_derivative(ends[:1]).item()
    diffusion = -(sigma**2) * slope  # g² = -σ² dλ/dt
    # score = (α x - z) / σ²
    pull = 0.5 * (1 + eta) * diffusion / sigma**2
    assert (of_z - 1) / dt == pytest.approx(-drift - pull, rel=1e-4)
    assert of_x / dt == pytest.approx(pull * alpha, rel=1e-4)
    assert std**2 / dt == pytest.approx(eta * diffusion, rel=1e-4)


def test_refuses_negative_noise() -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match="eta must not be negative"):
        SDESampler(schedule, UniformTimeGrid(schedule), eta=-0.1)
