"""The stochastic sampler of distilled models: exact marginals with an exact student."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Denoise, SamplingState, StochasticDistilledSampler
from genrl.diffusion.schedules import NoiseSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64
MEAN, STD = 0.7, 0.5


def exact_student(schedule: NoiseSchedule, times: torch.Tensor) -> Denoise:
    """Its DDIM step over two intervals is the probability flow; at the end it predicts data."""
    mean, std = torch.tensor([MEAN], dtype=F64), torch.tensor([STD], dtype=F64)
    model = GaussianDenoiser(schedule, mean, std)

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        index = int((times - t[0]).abs().argmin())
        at = schedule.level_like(t, z)
        goal = min(index + 2, len(times) - 1)
        if goal == len(times) - 1:
            scale = torch.hypot(at.alpha * STD, at.sigma)
            return Prediction.from_x(MEAN + STD * (z - at.alpha * MEAN) / scale, z, at)
        to = schedule.level_like(times[goal].expand(len(z)), z)
        end = model.flow(z, t, times[goal].expand(len(z)))
        ratio = to.sigma / at.sigma
        return Prediction.from_x((end - ratio * z) / (to.alpha - ratio * at.alpha), z, at)

    return denoise


@pytest.mark.parametrize("steps", [2, 4, 5, 8, 16])
@pytest.mark.parametrize("name", schedules.names())
def test_every_marginal_is_exact(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 0 has no noise and gives the mean; the others, unit vectors, give the variance."""
    schedule = schedules.build(name)
    sampler = StochasticDistilledSampler(schedule, UniformTimeGrid(schedule))
    times = sampler.time_grid.times(steps)
    units = torch.cat([torch.zeros(steps, 1), torch.eye(steps)], dim=1).to(F64)[:, :, None]
    rows = iter(units[1:])
    monkeypatch.setattr(SamplingState, "noise_like", lambda *_: next(rows))
    first = schedule.level(torch.ones((), dtype=F64))
    scale = torch.hypot(first.alpha * STD, first.sigma)
    start = (first.alpha * MEAN + scale * units[0]) / first.sigma
    result = sampler.trajectory(exact_student(schedule, times), start, steps=steps)
    assert next(rows, None) is None
    for t, z in zip(result.times, result.z, strict=True):
        level = schedule.level(torch.tensor(t, dtype=F64))
        variance = (z[1:] - z[0]).square().sum()
        torch.testing.assert_close(z[0, 0], level.alpha * MEAN, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            variance, (level.alpha * STD) ** 2 + level.sigma**2, rtol=1e-12, atol=1e-12
        )
    x = result.x
    torch.testing.assert_close(x[0, 0].item(), MEAN, rtol=1e-12, atol=1e-12)
    assert (x[1:] - x[0]).square().sum().sqrt().item() == pytest.approx(STD, abs=1e-12)
