"""Heun against EDM's algorithm 2 written out by hand, and against its weakness."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.samplers import HeunSampler
from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, FlowSchedule, NoiseSchedule
from genrl.diffusion.time_grids import KarrasTimeGrid, LogSnrTimeGrid

F64 = torch.float64


@pytest.mark.parametrize(
    "schedule",
    [
        EdmSchedule(),
        CosineSchedule(log_snr_min=-8, log_snr_max=12),
        FlowSchedule(log_snr_min=-8, log_snr_max=12),
    ],
    ids=["edm", "cosine", "flow"],
)
def test_against_the_algorithm_by_hand(schedule: NoiseSchedule) -> None:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    model = GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))
    grid = KarrasTimeGrid(schedule)
    noise = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    times = grid.times(12)
    level = schedule.level(times)
    scale = (-level.log_snr / 2).exp()
    scale[-1] = 0

    def slope(y: torch.Tensor, i: int) -> torch.Tensor:
        return (y - model(y * level.alpha[i], times[i].expand(4)).x) / scale[i]

    y = noise * scale[0]
    for i in range(12):
        first = slope(y, i)
        step = scale[i + 1] - scale[i]
        guess = y + step * first
        y = guess if i == 11 else y + step * 0.5 * (first + slope(guess, i + 1))
    found = HeunSampler(schedule, grid).sample(model, noise, steps=12)
    torch.testing.assert_close(found, y, rtol=1e-10, atol=1e-11)


def test_float32_is_as_good_as_float64_from_the_largest_noise() -> None:
    """From σ̃ = 22026 the slopes cancel; written in x they do not."""
    schedule = CosineSchedule()
    sampler = HeunSampler(schedule, LogSnrTimeGrid(schedule))
    noise = torch.linspace(-2, 2, 9, dtype=F64)[:, None]
    results = [
        sampler.sample(
            GaussianDenoiser(schedule, torch.tensor([0.7]), torch.tensor([0.5])),
            noise.to(dtype),
            steps=64,
        ).double()
        for dtype in (torch.float32, F64)
    ]
    torch.testing.assert_close(*results, rtol=0, atol=2e-6)
