"""Distillation targets: the defining identity, the end of the grid, any ratio, and float32."""

from itertools import pairwise

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.distillation import guided_target, progressive_target
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Denoise
from genrl.diffusion.schedules import CosineSchedule, LinearSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.diffusion.transitions import ddim_step

F64 = torch.float64


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3], [0.2, -0.7]], dtype=F64)
    stds = torch.tensor([0.3, 0.2, 0.4], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, stds, labels=torch.tensor([0, 1, 1]))


def segments(steps: int, factor: int) -> torch.Tensor:
    """The teacher's times in every step of the student, "points steps"."""
    times = torch.linspace(1, 0, steps * factor + 1, dtype=F64)
    return torch.stack([times[i * factor : (i + 1) * factor + 1] for i in range(steps)], dim=1)


def noisy(schedule: NoiseSchedule, t: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(len(t), 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    level = schedule.level_like(t, noise)
    return torch.hypot(level.alpha, level.sigma) * noise


def chain(denoise: Denoise, z: torch.Tensor, times: torch.Tensor, schedule: NoiseSchedule):
    """The textbook DDIM steps of the teacher."""
    for t, s in pairwise(times):
        to = schedule.level_like(s, z)
        prediction = denoise(z, t)
        z = to.alpha * prediction.x + to.sigma * prediction.eps
    return z


def test_guided_target_is_the_guided_x() -> None:
    schedule = CosineSchedule()
    model, t = mixture(schedule), torch.linspace(0.1, 0.9, 4, dtype=F64)
    z, label = noisy(schedule, t), torch.tensor([0, 1, 1, 0])
    w = torch.tensor([0.0, 1.0, 2.5, 4.0], dtype=F64)
    expected = model(z, t, label).x + w[:, None] * (model(z, t, label).x - model(z, t).x)
    target = guided_target(ClassifierFreeGuidance(2), model, z, t, label, w)
    torch.testing.assert_close(target, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("name", schedules.names())
def test_one_student_step_ends_where_the_teachers_end(name: str, factor: int) -> None:
    schedule = schedules.build(name)
    model = mixture(schedule)
    times = segments(6, factor)[:, :-1]
    z = noisy(schedule, times[0])
    target = progressive_target(model, z, times, schedule)
    found = ddim_step(z, target, schedule, times[0], times[-1])
    expected = chain(model, z, times, schedule)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("name", schedules.names())
def test_against_the_solved_form(name: str) -> None:
    """x = (z'' - (σ''/σ) z) / (α'' - (σ''/σ) α), where it keeps its digits."""
    schedule = schedules.build(name)
    model = mixture(schedule)
    times = segments(8, 2)[:, 2:6]
    z = noisy(schedule, times[0])
    at, to = schedule.level_like(times[0], z), schedule.level_like(times[-1], z)
    ratio = to.sigma / at.sigma
    solved = (chain(model, z, times, schedule) - ratio * z) / (to.alpha - ratio * at.alpha)
    target = progressive_target(model, z, times, schedule)
    torch.testing.assert_close(target, solved, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3])
def test_target_at_the_end_is_the_last_prediction(factor: int) -> None:
    """DDPM's schedule still has noise at t = 0 (λ = 9.2), so that the rule is visible."""
    schedule = LinearSchedule()
    model = mixture(schedule)
    times = segments(4, factor)
    z = noisy(schedule, times[0])
    target = progressive_target(model, z, times, schedule)
    almost = chain(model, z, times[:-1], schedule)
    last = model(almost, times[-2]).x
    assert torch.equal(target[-1:], progressive_target(model, z[-1:], times[:, -1:], schedule))
    torch.testing.assert_close(target[-1], last[-1], rtol=1e-12, atol=1e-12)
    assert (target[:-1] - last[:-1]).abs().min() > 1e-6
    without_rule = times.clone()
    without_rule[-1, -1] = 1e-12
    other = progressive_target(model, z, without_rule, schedule)
    assert (other[-1] - target[-1]).abs().max() > 1e-5
    torch.testing.assert_close(other[:-1], target[:-1], rtol=0, atol=0)


@pytest.mark.parametrize("name", schedules.names())
def test_four_to_one_is_two_to_one_twice(name: str) -> None:
    schedule = schedules.build(name)
    model = mixture(schedule)
    times = segments(5, 4)

    def halved(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        """The exact student of the model for two steps in one."""
        start = next(j for j in (0, 2) if torch.equal(times[j], t))
        x = progressive_target(model, z, times[start : start + 3], schedule)
        return Prediction.from_x(x, z, schedule.level_like(t, z))

    z = noisy(schedule, times[0])
    direct = progressive_target(model, z, times, schedule)
    twice = progressive_target(halved, z, times[::2], schedule)
    torch.testing.assert_close(twice, direct, rtol=1e-12, atol=1e-12)


def test_target_is_within_the_teachers_predictions() -> None:
    """A convex combination cannot explode, at any noise."""
    schedule = CosineSchedule()
    values = iter([1.0, -1.0, 0.5, 0.25])

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        x = torch.full_like(z, next(values))
        return Prediction.from_x(x, z, schedule.level_like(t, z))

    times = segments(512, 4)
    target = progressive_target(denoise, noisy(schedule, times[0]), times, schedule)
    assert target.max() <= 1
    assert target.min() >= -1


def test_float32_keeps_its_digits_at_1024_steps() -> None:
    """Against float64 on the same times; the solved form loses two to three digits more."""
    schedule = CosineSchedule()
    times = segments(1024, 2)[:, :-1]
    z = noisy(schedule, times[0]).float()

    def target(dtype: torch.dtype) -> torch.Tensor:
        model = GaussianDenoiser(
            schedule, torch.tensor([0.7], dtype=dtype), torch.tensor([0.5], dtype=dtype)
        )
        return progressive_target(model, z.to(dtype), times, schedule)

    exact = target(F64)
    assert (target(torch.float32) - exact).abs().max() < 1e-6
    model = GaussianDenoiser(schedule, torch.tensor([0.7]), torch.tensor([0.5]))
    single = times.float()
    at, to = schedule.level_like(single[0], z), schedule.level_like(single[-1], z)
    ratio = to.sigma / at.sigma
    solved = (chain(model, z, single, schedule) - ratio * z) / (to.alpha - ratio * at.alpha)
    assert (solved - exact).abs().max() > 3e-5


def test_teacher_sees_its_own_grid() -> None:
    schedule = CosineSchedule()
    grid = UniformTimeGrid(schedule).times(8)
    times = torch.stack([grid[0:5], grid[4:9]], dim=1)
    calls: list[torch.Tensor] = []
    model = mixture(schedule)

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        calls.append(t)
        return model(z, t)

    progressive_target(denoise, noisy(schedule, times[0]), times, schedule)
    assert [t.tolist() for t in calls] == [[1, 0.5], [0.875, 0.375], [0.75, 0.25], [0.625, 0.125]]
