"""The whole ladder in closed form: exact students reproduce the teacher at every stage.

The guided prediction of Gaussian data is affine in z, and so is the best student. It is tabulated
for each grid point from the target at two values of z, becomes the teacher of the next stage, and
must end where the first teacher ends.
"""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.conditioning import bind
from genrl.diffusion.distillation import progressive_target
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import DDIMSampler, Denoise
from genrl.diffusion.schedules import CosineSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64
NOISE = torch.linspace(-2, 2, 9, dtype=F64)[:, None]


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)[:, None]


def guided_teacher(schedule: NoiseSchedule, w: float, num_examples: int) -> Denoise:
    """Class N(1, 0.3²), all data N(0, 1.1²)."""
    model = GaussianDenoiser(schedule, column(0.0)[0], column(1.1)[0], column(1.0), column(0.3))
    label = torch.zeros(num_examples, dtype=torch.long)
    return bind(model, label, w, ClassifierFreeGuidance(1))


def tabulated(schedule: NoiseSchedule, times: torch.Tensor, at_0: torch.Tensor, at_1: torch.Tensor):
    """x = at_0 + (at_1 - at_0) z with a row for each time."""

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        row = (times[:-1, None] - t).abs().argmin(dim=0)
        assert torch.equal(times[row], t)
        x = at_0[row] + (at_1[row] - at_0[row]) * z
        return Prediction.from_x(x, z, schedule.level_like(t, z))

    return denoise


def student(teacher: Denoise, schedule: NoiseSchedule, steps: int, factor: int = 2) -> Denoise:
    """The exact minimiser of progressive distillation; the teacher must take 2 · steps examples."""
    grid = UniformTimeGrid(schedule)
    fine = grid.times(steps * factor)
    points = torch.arange(steps) * factor + torch.arange(factor + 1)[:, None]
    z = torch.cat([torch.zeros(steps, 1), torch.ones(steps, 1)]).to(F64)
    target = progressive_target(teacher, z, fine[points].repeat(1, 2), schedule)
    return tabulated(schedule, grid.times(steps), *target.chunk(2))


def sample(denoise: Denoise, schedule: NoiseSchedule, steps: int) -> torch.Tensor:
    return DDIMSampler(schedule, UniformTimeGrid(schedule)).sample(denoise, NOISE, steps=steps)


@pytest.mark.parametrize("w", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("name", schedules.names())
def test_guided_ladder_reproduces_the_teacher(name: str, w: float) -> None:
    schedule = schedules.build(name)
    expected = sample(guided_teacher(schedule, w, 9), schedule, 256)
    denoise = student(guided_teacher(schedule, w, 256), schedule, 128)
    for steps in (128, 64, 32, 16, 8, 4, 2, 1):
        if steps < 128:
            denoise = student(denoise, schedule, steps)
        found = sample(denoise, schedule, steps)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    plain = sample(guided_teacher(schedule, w, 9), schedule, 1)
    assert (plain - expected).abs().max() > 0.1


@pytest.mark.parametrize(
    ("w", "mean", "slope"), [(0.0, 1.0, 0.2974), (1.0, 1.1515, 0.0801), (4.0, 1.1122, 0.0015)]
)
def test_measured_values_of_the_guided_teacher(w: float, mean: float, slope: float) -> None:
    """256 steps on the cosine schedule: mean over the noise, and slope in it."""
    schedule = CosineSchedule()
    x = sample(guided_teacher(schedule, w, 9), schedule, 256)[:, 0]
    assert x.mean().item() == pytest.approx(mean, abs=5e-5)
    measured = (x[-1] - x[0]) / 4
    assert measured.item() == pytest.approx(slope, abs=5e-5)


@pytest.mark.parametrize("name", schedules.names())
def test_long_ladder_without_guidance(name: str) -> None:
    """1024 steps to 1 on N(0.7, 0.5²); on DDPM's schedule λ ends at 9.2 and the end rule shows."""
    schedule = schedules.build(name)
    teacher = GaussianDenoiser(schedule, column(0.7)[0], column(0.5)[0])
    expected = sample(teacher, schedule, 1024)
    denoise: Denoise = teacher
    for steps in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1):
        denoise = student(denoise, schedule, steps)
        torch.testing.assert_close(sample(denoise, schedule, steps), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("factor", [3, 4, 81])
def test_other_ratios_reproduce_the_teacher_too(factor: int) -> None:
    schedule = CosineSchedule(log_snr_max=9)
    teacher = GaussianDenoiser(schedule, column(0.7)[0], column(0.5)[0])
    denoise = student(teacher, schedule, 2, factor)
    expected = sample(teacher, schedule, 2 * factor)
    torch.testing.assert_close(sample(denoise, schedule, 2), expected, rtol=0, atol=1e-12)
