"""DPM-Solver++(2M) against the paper's algorithm written out by hand."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.samplers import DDIMSampler, DPMSolverPP2MSampler
from genrl.diffusion.schedules import CosineSchedule, FlowSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import QuadraticTimeGrid, UniformTimeGrid

F64 = torch.float64


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))


NOISE = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", schedules.names())
def test_against_the_algorithm_by_hand(name: str) -> None:
    """Algorithm 2 of the paper in its half log-SNR, h_i and r_i."""
    schedule = schedules.build(name)
    model, grid = mixture(schedule), UniformTimeGrid(schedule)
    times = grid.times(10)
    level = schedule.level(times)
    half = level.log_snr / 2
    z, before = NOISE * level.sigma[0], None
    for i in range(10):
        x = model(z, times[i].expand(4)).x
        if i == 9:
            break
        h = half[i + 1] - half[i]
        mixed = x
        if before is not None:
            r = (half[i] - half[i - 1]) / h
            mixed = (1 + 1 / (2 * r)) * x - 1 / (2 * r) * before
        z = level.sigma[i + 1] / level.sigma[i] * z - level.alpha[i + 1] * ((-h).exp() - 1) * mixed
        before = x
    found = DPMSolverPP2MSampler(schedule, grid).sample(model, NOISE, steps=10)
    torch.testing.assert_close(found, x, rtol=1e-11, atol=1e-12)


def test_first_two_steps_are_ddim() -> None:
    schedule = CosineSchedule()
    grid = UniformTimeGrid(schedule)
    ours, ddim = (
        sampler(schedule, grid).sample(mixture(schedule), NOISE, steps=2)
        for sampler in (DPMSolverPP2MSampler, DDIMSampler)
    )
    assert torch.equal(ours, ddim)


def test_equal_levels_at_a_clamped_end_do_no_harm() -> None:
    """Close to t = 0 the flow schedule is clamped: several grid points have one λ."""
    schedule = FlowSchedule()
    sampler = DPMSolverPP2MSampler(schedule, QuadraticTimeGrid(schedule))
    fine, finer = (sampler.sample(mixture(schedule), NOISE, steps=n) for n in (512, 1024))
    torch.testing.assert_close(fine, finer, rtol=0, atol=1e-4)
