"""Ancestral sampling: the variance it ends with, propagated exactly through the sampler itself.

The denoiser of a centred Gaussian is linear, so a run whose noise is a unit vector for each step
gives one column of the sampler's linear map; the squares of the columns add up to the variance.
"""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.samplers import AncestralSampler, SamplingState, Trajectory
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64


def columns(
    schedule: NoiseSchedule,
    std: float,
    variance_interpolation: float,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
    start: float | None = None,
) -> Trajectory:
    sampler = AncestralSampler(
        schedule, UniformTimeGrid(schedule), variance_interpolation=variance_interpolation
    )
    model = GaussianDenoiser(schedule, torch.zeros(1, dtype=F64), torch.tensor([std], dtype=F64))
    units = torch.eye(steps, dtype=F64)[:, :, None]
    rows = iter(units[1:])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    return sampler.trajectory(model, units[0] * (1 if start is None else start), steps=steps)


@pytest.mark.parametrize("steps", [1, 2, 4, 16])
@pytest.mark.parametrize("name", schedules.names())
def test_large_variance_is_exact_for_standard_normal_data(
    name: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = schedules.build(name)
    first = schedule.level(torch.ones((), dtype=F64))
    start = (torch.hypot(first.alpha, first.sigma) / first.sigma).item()
    result = columns(schedule, 1.0, 1.0, steps, monkeypatch, start)
    for t, z in zip(result.times, result.z, strict=True):
        level = schedule.level(torch.tensor(t, dtype=F64))
        exact = (level.alpha**2 + level.sigma**2).item()
        assert z.square().sum().item() == pytest.approx(exact, rel=4e-15 * steps)
    # The last prediction has the variance of x̂, which the law of total variance gives.
    assert result.x.square().sum().item() == pytest.approx(
        (level.alpha**2 / (level.alpha**2 + level.sigma**2)).item(), rel=4e-15 * steps
    )


@pytest.mark.parametrize("steps", [2, 4, 16])
@pytest.mark.parametrize("name", schedules.names())
def test_small_variance_is_exact_for_a_point_mass(
    name: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = schedules.build(name)
    result = columns(schedule, 0.0, 0.0, steps, monkeypatch)
    for t, z in zip(result.times, result.z, strict=True):
        sigma = schedule.level(torch.tensor(t, dtype=F64)).sigma.item()
        assert z.square().sum().item() == pytest.approx(sigma**2, rel=1e-13 * steps)


def test_extremes_and_interpolation_of_the_step_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    """small = (1 - r) σ_s², large = (1 - r) σ_t² (variance preserving), geometric between them."""
    schedule = CosineSchedule()
    t, s = schedule.level(torch.tensor([1.0, 0.5], dtype=F64)).sigma.double() ** 2
    r = torch.exp(torch.tensor(-20.0, dtype=F64))
    for g in (0.0, 0.3, 1.0):
        result = columns(schedule, 0.5, g, 2, monkeypatch)
        expected = ((1 - r) * s) ** (1 - g) * ((1 - r) * t) ** g
        assert result.z[1][1].item() ** 2 == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(("g", "measured"), [(0.0, 0.498087), (1.0, 0.500450)])
def test_measured_spread_after_many_steps(
    g: float, measured: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data of std 0.5, 1024 steps: small variances end below it, large ones above."""
    result = columns(CosineSchedule(), 0.5, g, 1024, monkeypatch)
    assert result.x.square().sum().sqrt().item() == pytest.approx(measured, abs=5e-6)


@pytest.mark.parametrize("g", [-0.1, 1.5])
def test_refuses_a_variance_beyond_the_extremes(g: float) -> None:
    schedule = CosineSchedule()
    with pytest.raises(ValueError, match=r"variance_interpolation must be in \[0, 1\]"):
        AncestralSampler(schedule, UniformTimeGrid(schedule), variance_interpolation=g)
