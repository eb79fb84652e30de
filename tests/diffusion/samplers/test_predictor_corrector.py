"""Predictor and corrector: the Langevin step by hand, what it keeps, and what it mends."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.noise import generators_for, randn
from genrl.diffusion.samplers import DDIMSampler, PredictorCorrectorSampler, SDESampler
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import LogSnrTimeGrid, UniformTimeGrid
from genrl.registry import ConfigurationError

F64 = torch.float64


def gaussian(schedule: NoiseSchedule, mean: float = 0.0) -> GaussianDenoiser:
    return GaussianDenoiser(
        schedule, torch.tensor([mean], dtype=F64), torch.tensor([0.5], dtype=F64)
    )


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("name", schedules.names())
def test_without_corrections_it_is_its_predictor(name: str, eta: float) -> None:
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    noise = torch.ones(3, 2, dtype=F64)
    sampler = PredictorCorrectorSampler(schedule, grid, corrections=0, eta=eta)
    ours, plain = (
        s.sample(gaussian(schedule), noise, steps=9, generator=generators_for(1, range(3)))
        for s in (sampler, SDESampler(schedule, grid, eta=eta))
    )
    assert torch.equal(ours, plain)
    assert sampler.is_stochastic == (eta > 0)


@pytest.mark.parametrize("name", schedules.names())
def test_a_langevin_step_by_hand(name: str) -> None:
    """z + δ score + √(2 δ (1 - r²)) ξ, δ = 2 (r ‖ξ‖ / ‖score‖)² with norms of one example."""
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    model = gaussian(schedule, 0.3)
    noise = torch.randn(3, 8, 8, dtype=F64, generator=torch.Generator().manual_seed(0))
    sampler = PredictorCorrectorSampler(schedule, grid, corrections=2, eta=0.0, snr=0.2)
    found = sampler.trajectory(model, noise, steps=2, generator=generators_for(7, range(3)))
    z = DDIMSampler(schedule, grid).trajectory(model, noise, steps=2).z[1]
    source = generators_for(7, range(3))
    half = torch.full((3,), 0.5, dtype=F64)
    for _ in range(2):
        score = model(z, half).score
        xi = randn(z.shape, source, dtype=F64)
        ratio = xi.flatten(1).norm(dim=1) / score.flatten(1).norm(dim=1)
        delta = 2 * (0.2 * ratio).square()[:, None, None]
        z = z + delta * score + (2 * delta * (1 - 0.2**2)).sqrt() * xi
    torch.testing.assert_close(found.z[1], z, rtol=1e-11, atol=1e-12)


def spread(sampler: PredictorCorrectorSampler, steps: int) -> float:
    """Of data N(0, 0.5²), over 0.5, in 40000 dimensions: one example shows it to 0.4 %."""
    noise = torch.randn(1, 40_000, dtype=F64, generator=torch.Generator().manual_seed(0))
    x = sampler.sample(
        gaussian(sampler.schedule),
        noise,
        steps=steps,
        generator=torch.Generator().manual_seed(1),
    )
    return x.std().item() / 0.5


def test_corrections_mend_what_the_predictor_did() -> None:
    """16 steps of DDIM from λ = -20 to 20 lose a quarter of the spread."""
    grid = LogSnrTimeGrid(CosineSchedule())
    lost = [
        1 - spread(PredictorCorrectorSampler(grid.schedule, grid, corrections=n, eta=0.0), 16)
        for n in (0, 1, 4)
    ]
    assert lost[0] > 0.25
    assert lost[1] < 0.4 * lost[0]
    assert abs(lost[2]) < 0.012


def test_the_spread_becomes_exact() -> None:
    """The paper's Langevin step would stay 1.3 % off, whatever the number of steps."""
    grid = LogSnrTimeGrid(CosineSchedule())
    sampler = PredictorCorrectorSampler(grid.schedule, grid)
    assert spread(sampler, 16) < 0.95
    assert spread(sampler, 256) == pytest.approx(1, abs=0.007)


def test_a_large_langevin_step_keeps_the_second_moment() -> None:
    """δ = ½ r² of the marginal, a hundred times at one level."""
    schedule = CosineSchedule()
    model, half = gaussian(schedule), torch.full((1,), 0.5, dtype=F64)
    level = schedule.level(half)
    exact = torch.hypot(0.5 * level.alpha, level.sigma).item()
    sampler = PredictorCorrectorSampler(schedule, UniformTimeGrid(schedule), snr=0.5)
    source = torch.Generator().manual_seed(0)
    z = exact * torch.randn(1, 40_000, dtype=F64, generator=source)
    for _ in range(100):
        noise = torch.randn(1, 40_000, dtype=F64, generator=source)
        z = sampler.corrected(z, model(z, half).eps, noise, level.sigma.item())
    assert z.std().item() / exact == pytest.approx(1, abs=0.012)


def test_few_entries_leave_too_large_a_spread() -> None:
    """E 1/‖z‖² becomes 1/(D + 2) of the marginal's unit, where N(0, 1) has 1/(D - 2).

    For E ‖z‖² changes by -4 r² E n + 4 r² E n² E 1/‖z‖² in a step, n = ‖ξ‖² of D entries.
    """
    schedule = CosineSchedule()
    model, half = gaussian(schedule), torch.full((2000,), 0.5, dtype=F64)
    level = schedule.level(half[0])
    exact = torch.hypot(0.5 * level.alpha, level.sigma).item()
    sampler = PredictorCorrectorSampler(schedule, UniformTimeGrid(schedule), snr=0.3)
    source = torch.Generator().manual_seed(0)
    z = exact * torch.randn(2000, 16, dtype=F64, generator=source)
    for _ in range(100):
        noise = torch.randn(z.shape, dtype=F64, generator=source)
        z = sampler.corrected(z, model(z, half).eps, noise, level.sigma.item())
    found = ((z / exact).square().sum(dim=1) ** -1).mean().item()
    assert found == pytest.approx(1 / 18, rel=0.04)
    assert z.std().item() / exact == pytest.approx(1 + 2 / 16, abs=0.02)


def test_few_entries_are_refused() -> None:
    schedule = CosineSchedule()
    sampler = PredictorCorrectorSampler(schedule, UniformTimeGrid(schedule))
    source = torch.Generator().manual_seed(0)
    with pytest.raises(ConfigurationError, match="data of at least 64 entries, not 63"):
        sampler.sample(gaussian(schedule), torch.ones(2, 63), steps=3, generator=source)
    sampler.sample(gaussian(schedule), torch.ones(2, 1, 8, 8), steps=3, generator=source)


@pytest.mark.parametrize(("steps", "corrections", "expected"), [(1, 3, 1), (5, 0, 5), (5, 2, 13)])
def test_counts_its_evaluations(steps: int, corrections: int, expected: int) -> None:
    schedule = CosineSchedule()
    sampler = PredictorCorrectorSampler(
        schedule, UniformTimeGrid(schedule), corrections=corrections
    )
    assert sampler.evaluations(steps) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"snr": 0.0}, r"snr must be in \(0, 1\), not 0.0"),
        ({"snr": 1.0}, r"snr must be in \(0, 1\), not 1.0"),
        ({"corrections": -1}, "must not be negative"),
        ({"eta": -0.5}, "must not be negative"),
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, float], message: str) -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match=message):
        PredictorCorrectorSampler(schedule, UniformTimeGrid(schedule), **wrong)
