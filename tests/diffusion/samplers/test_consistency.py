"""Multistep consistency sampling: exact marginals of an exact consistency function."""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import ConsistencySampler
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64


def test_every_noisy_state_has_the_right_moments() -> None:
    """x is drawn from the data at each jump, so that z has the marginal of its time."""
    schedule, count = CosineSchedule(), 200_000
    mean, std = 0.7, 0.5

    def jump(z, t) -> Prediction:
        at = schedule.level_like(t, z)
        x = mean + std * (z - at.alpha * mean) / torch.hypot(at.alpha * std, at.sigma)
        return Prediction.from_x(x, z, at)

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 1, dtype=F64, generator=generator)
    sampler = ConsistencySampler(schedule, UniformTimeGrid(schedule))
    assert sampler.is_stochastic
    found = sampler.trajectory(jump, noise, steps=4, generator=generator)
    for time, z in zip(found.times, found.z, strict=True):
        level = schedule.level(torch.tensor(time, dtype=F64))
        spread = (level.alpha**2 * std**2 + level.sigma**2).sqrt().item()
        assert abs(z.mean().item() - level.alpha.item() * mean) < 4 * spread / count**0.5
        assert abs(z.std().item() - spread) < 4 * spread / (2 * count) ** 0.5
    assert abs(found.x.std().item() - std) < 4 * std / (2 * count) ** 0.5


def test_noise_is_fresh_and_z_is_forgotten() -> None:
    schedule = CosineSchedule()
    sampler = ConsistencySampler(schedule, UniformTimeGrid(schedule))

    def constant(z, t) -> Prediction:
        return Prediction.from_x(torch.full_like(z, 0.25), z, schedule.level_like(t, z))

    noise = torch.randn(5, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    found = sampler.trajectory(constant, noise, steps=3, generator=torch.Generator().manual_seed(2))
    again = torch.Generator().manual_seed(2)
    for index in (1, 2):
        level = schedule.level(torch.tensor(1 - index / 3, dtype=F64))
        fresh = torch.randn(5, 3, dtype=F64, generator=again)
        torch.testing.assert_close(
            found.z[index], level.alpha * 0.25 + level.sigma * fresh, rtol=1e-12, atol=1e-12
        )
