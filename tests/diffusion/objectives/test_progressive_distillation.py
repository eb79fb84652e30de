"""Progressive distillation: times, teacher calls, the loss by brute force, and its fixed point."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.objectives import Parts, ProgressiveDistillationObjective, objectives
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule, LinearSchedule, NoiseSchedule
from genrl.diffusion.time_grids import (
    KarrasTimeGrid,
    QuadraticTimeGrid,
    TimeGrid,
    UniformTimeGrid,
)
from genrl.diffusion.time_samplers import UniformTimeSampler
from genrl.diffusion.weightings import SnrPlusOneWeighting
from genrl.registry import ConfigurationError

F64 = torch.float64


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)[:, None]


def parts(schedule: NoiseSchedule, grid: TimeGrid | None = None) -> Parts:
    return Parts(
        schedule,
        SnrPlusOneWeighting(schedule),
        UniformTimeSampler(schedule),
        grid or UniformTimeGrid(schedule),
        ClassifierFreeGuidance(2),
        2,
    )


class Model:
    """x depends on z, label and w; keeps the arguments of every call."""

    def __init__(self, schedule: NoiseSchedule, gain: float) -> None:
        self.schedule = schedule
        self.gain = torch.tensor(gain, dtype=F64, requires_grad=True)
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def __call__(self, z, t, label=None, w=None) -> Prediction:
        self.calls.append((z, t, label, w))
        x = torch.tanh(self.gain * z)
        if label is not None:
            x = x + 0.3 * label.to(z)[:, None]
        if w is not None:
            x = x * (1 + w.to(z)[:, None])
        return Prediction.from_x(x, z, self.schedule.level_like(t, z))


@pytest.mark.parametrize("factor", [2, 3])
def test_loss_by_brute_force(factor: int) -> None:
    """The student's step is set against the teacher's steps, example by example."""
    schedule, steps, count = LinearSchedule(), 4, 64
    teacher, student = Model(schedule, 0.8), Model(schedule, 0.5)
    generator = torch.Generator().manual_seed(0)
    x, label = torch.randn(count, 1, dtype=F64, generator=generator), torch.arange(count) % 2
    objective = ProgressiveDistillationObjective(parts(schedule), steps=steps, factor=factor)
    loss = objective(student, teacher, x, label, generator)

    ((z, t, student_label, w),) = student.calls
    assert torch.equal(student_label, label)
    assert w.unique().numel() == count
    assert 0 <= w.min() < 1 < 3 < w.max() <= 4
    index = (t * steps).round()
    torch.testing.assert_close(t, index / steps, rtol=0, atol=1e-12)
    assert sorted(index.unique().tolist()) == [1, 2, 3, 4]
    assert len(teacher.calls) == factor
    for j, (_, teacher_t, teacher_label, teacher_w) in enumerate(teacher.calls):
        torch.testing.assert_close(teacher_t, t - j / (steps * factor), rtol=0, atol=1e-12)
        assert torch.equal(teacher_label, label)
        assert torch.equal(teacher_w, w)
    assert torch.equal(teacher.calls[0][0], z)

    total, plain = 0.0, 0.0
    for i in range(count):
        now, condition = z[i : i + 1], (label[i : i + 1], w[i : i + 1])
        for j in range(factor):
            at = t[i : i + 1] - j / (steps * factor)
            prediction = Model(schedule, 0.8)(now, at, *condition)
            to = schedule.level_like((at - 1 / (steps * factor)).clamp(min=0), now)
            now = to.alpha * prediction.x + to.sigma * prediction.eps
        high, low = schedule.level(t[i]), schedule.level(t[i] - 1 / steps)
        ratio = low.sigma / high.sigma
        target = (now - ratio * z[i]) / (low.alpha - ratio * high.alpha)
        if index[i] == 1:
            target = prediction.x
        error = (Model(schedule, 0.5)(z[i : i + 1], t[i : i + 1], *condition).x - target).item()
        total += (1 + math.exp(high.log_snr.item())) * error**2 / count
        plain += error**2 / count
    assert loss.loss.item() == pytest.approx(total, rel=1e-9)
    assert loss.metrics["x_error"].item() == pytest.approx(plain, rel=1e-9)
    loss.loss.backward()
    assert student.gain.grad.abs() > 0
    assert teacher.gain.grad is None


def test_data_are_noised_to_the_students_time() -> None:
    """Moments of z at each of the student's times, over 10⁵ examples."""
    schedule, count = CosineSchedule(), 100_000
    student = Model(schedule, 0.5)
    generator = torch.Generator().manual_seed(0)
    x = torch.full((count, 1), 0.7, dtype=F64)
    objective = ProgressiveDistillationObjective(parts(schedule), steps=5)
    objective(student, Model(schedule, 0.8), x, None, generator)
    ((z, t, label, w),) = student.calls
    assert label is None
    assert w is None
    for time in torch.arange(1, 6, dtype=F64) / 5:
        rows = z[(t - time).abs() < 1e-9]
        level = schedule.level(time)
        assert len(rows) == pytest.approx(count / 5, abs=4 * math.sqrt(count * 0.16))
        mean_error = 4 * level.sigma.item() / math.sqrt(len(rows))
        assert rows.mean().item() == pytest.approx(0.7 * level.alpha.item(), abs=mean_error)
        assert rows.std().item() == pytest.approx(
            level.sigma.item(), rel=4 / math.sqrt(2 * len(rows))
        )


@pytest.mark.parametrize("grid_kind", [UniformTimeGrid, QuadraticTimeGrid])
def test_exact_map_is_the_fixed_point(grid_kind: type[TimeGrid]) -> None:
    """A teacher whose steps follow the exact flow has a student without loss that does the same."""
    schedule, steps = CosineSchedule(log_snr_min=-10, log_snr_max=9), 4
    model = GaussianDenoiser(schedule, column(0.7)[0], column(0.5)[0])
    grid = grid_kind(schedule)

    def exact(count: int):
        times = grid.times(count)

        def denoise(z, t, label=None, w=None) -> Prediction:
            index = (times[:-1, None] - t).abs().argmin(dim=0)
            at, to = schedule.level_like(t, z), schedule.level_like(times[index + 1], z)
            ratio = to.sigma / at.sigma
            jump = (model.flow(z, t, times[index + 1]) - ratio * z) / (to.alpha - ratio * at.alpha)
            data = 0.7 + 0.5 * (z - at.alpha * 0.7) / torch.hypot(at.alpha * 0.5, at.sigma)
            x = torch.where((index == count - 1)[:, None], data, jump)
            return Prediction.from_x(x, z, at)

        return denoise

    generator = torch.Generator().manual_seed(0)
    x = model.sample(256, generator)
    objective = ProgressiveDistillationObjective(parts(schedule, grid), steps=steps)
    assert objective(exact(4), exact(8), x, None, generator).metrics["x_error"] < 1e-22
    assert objective(exact(8), exact(8), x, None, generator).metrics["x_error"] > 1e-4


def test_without_guidance_no_w_is_given() -> None:
    schedule = CosineSchedule()
    student, teacher = Model(schedule, 0.5), Model(schedule, 0.8)
    generator = torch.Generator().manual_seed(0)
    x, label = torch.randn(8, 1, dtype=F64, generator=generator), torch.arange(8) % 2
    objective = ProgressiveDistillationObjective(parts(schedule), steps=2, use_guidance=False)
    objective(student, teacher, x, label, generator)
    for _, _, given, w in (*student.calls, *teacher.calls):
        assert torch.equal(given, label)
        assert w is None


def test_float32_data_give_float32_arguments() -> None:
    schedule = CosineSchedule()
    calls = []

    def model(z, t, label=None, w=None) -> Prediction:
        calls.append((z.dtype, t.dtype))
        return Prediction.from_x(0.5 * z, z, schedule.level_like(t, z))

    objective = ProgressiveDistillationObjective(parts(schedule), steps=4)
    loss = objective(model, model, torch.randn(8, 1), None, torch.Generator().manual_seed(0))
    assert set(calls) == {(torch.float32, torch.float32)}
    assert loss.loss.dtype == torch.float32


def test_refuses_grids_that_do_not_nest() -> None:
    schedule = CosineSchedule()
    config = {"name": "progressive_distillation", "steps": 4}
    for grid in (UniformTimeGrid(schedule), QuadraticTimeGrid(schedule)):
        assert objectives.build(config, parts(schedule, grid)).needs_teacher
    with pytest.raises(ConfigurationError, match="the grid of 4 steps is no part of the grid of 8"):
        objectives.build(config, parts(schedule, KarrasTimeGrid(schedule)))


@pytest.mark.parametrize("numbers", [{"steps": 0}, {"steps": 4, "factor": 1}])
def test_refuses_impossible_steps(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="steps must be at least 1 and factor at least 2"):
        objectives.build({"name": "progressive_distillation", **numbers}, parts(CosineSchedule()))
    with pytest.raises(ConfigurationError, match="needs a value for 'steps'"):
        objectives.build("progressive_distillation", parts(CosineSchedule()))


def test_needs_a_teacher() -> None:
    objective = ProgressiveDistillationObjective(parts(CosineSchedule()), steps=2)
    with pytest.raises(ValueError, match="needs a teacher"):
        objective(Model(CosineSchedule(), 1.0), None, torch.zeros(1, 1), None, torch.Generator())
