"""SDE-DPM-Solver++: its deterministic end, its first step, and the spread that it ends with."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.samplers import (
    DPMSolverPP2MSampler,
    DPMSolverPPSDESampler,
    Sampler,
    SamplingState,
    SDESampler,
)
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import LogSnrTimeGrid, UniformTimeGrid

F64 = torch.float64


def gaussian(schedule: NoiseSchedule, mean: float = 0.7) -> GaussianDenoiser:
    return GaussianDenoiser(
        schedule, torch.tensor([mean], dtype=F64), torch.tensor([0.5], dtype=F64)
    )


@pytest.mark.parametrize("name", schedules.names())
def test_without_noise_it_is_dpm_solver(name: str) -> None:
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    noise = torch.linspace(-2, 2, 5, dtype=F64)[:, None]
    torch.testing.assert_close(
        DPMSolverPPSDESampler(schedule, grid, eta=0.0).sample(gaussian(schedule), noise, steps=12),
        DPMSolverPP2MSampler(schedule, grid).sample(gaussian(schedule), noise, steps=12),
        rtol=1e-12,
        atol=1e-13,
    )


def test_the_first_step_is_that_of_the_sde() -> None:
    schedule = CosineSchedule()
    grid = UniformTimeGrid(schedule)
    noise = torch.ones(3, 1, dtype=F64)
    first, other = (
        kind(schedule, grid).sample(
            gaussian(schedule), noise, steps=2, generator=torch.Generator().manual_seed(0)
        )
        for kind in (DPMSolverPPSDESampler, SDESampler)
    )
    assert torch.equal(first, other)


def spread(sampler: Sampler, steps: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Standard deviation of the result for data N(0, 0.5²), without any drawing."""
    schedule = sampler.schedule
    first = schedule.level(torch.ones((), dtype=F64))
    start = (torch.hypot(0.5 * first.alpha, first.sigma) / first.sigma).item()
    units = torch.eye(steps, dtype=F64)[:, :, None]
    rows = iter(units[1:])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    x = sampler.sample(gaussian(schedule, 0.0), units[0] * start, steps=steps)
    return x.square().sum().sqrt().item()


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize("name", ["cosine", "flow", "vdm_linear"])
def test_the_spread_becomes_exact(name: str, eta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the standard deviation falls like 1/N², the SDE's like 1/N."""
    schedule = schedules.build(name)
    sampler = DPMSolverPPSDESampler(schedule, LogSnrTimeGrid(schedule), eta=eta)
    coarse, fine = (abs(spread(sampler, n, monkeypatch) - 0.5) for n in (64, 256))
    assert 1.9 < math.log2(coarse / fine) / 2 < 2.1
    assert fine < 6e-4


def test_refuses_negative_noise() -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match="eta must not be negative"):
        DPMSolverPPSDESampler(schedule, UniformTimeGrid(schedule), eta=-1.0)
