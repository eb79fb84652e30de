"""TRACT: its target against the teacher's steps, its fixed point, what it asks of its models."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser, GaussianMixtureDenoiser
from genrl.diffusion.distillation import progressive_target, self_taught_target
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.objectives import Parts, TractObjective, objectives
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import Denoise
from genrl.diffusion.schedules import CosineSchedule, LinearSchedule, NoiseSchedule, schedules
from genrl.diffusion.time_grids import KarrasTimeGrid, TimeGrid, UniformTimeGrid
from genrl.diffusion.time_samplers import UniformTimeSampler
from genrl.diffusion.transitions import ddim_step
from genrl.diffusion.weightings import SnrPlusOneWeighting
from genrl.registry import ConfigurationError

F64 = torch.float64


def parts(schedule: NoiseSchedule, grid: TimeGrid | None = None, num_classes: int = 2) -> Parts:
    return Parts(
        schedule,
        SnrPlusOneWeighting(schedule),
        UniformTimeSampler(schedule),
        grid or UniformTimeGrid(schedule),
        ClassifierFreeGuidance(num_classes),
        num_classes,
    )


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3], [0.2, -0.7]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2, 0.4], dtype=F64))


def noisy(schedule: NoiseSchedule, t: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(len(t), 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    level = schedule.level_like(t, noise)
    return torch.hypot(level.alpha, level.sigma) * noise


def group_jump(
    teacher: Denoise, schedule: NoiseSchedule, times: torch.Tensor, factor: int
) -> Denoise:
    """The exact student: from any point of a group, the x of all the teacher's steps to its end."""

    def denoise(z: torch.Tensor, t: torch.Tensor) -> Prediction:
        x = torch.empty_like(z)
        for i in range(len(z)):
            index = int((times[:-1] - t[i]).abs().argmin())
            end = (index // factor + 1) * factor
            x[i] = progressive_target(
                teacher, z[i : i + 1], times[index : end + 1, None], schedule
            )[0]
        return Prediction.from_x(x, z, schedule.level_like(t, z))

    return denoise


@pytest.mark.parametrize("name", schedules.names())
def test_two_steps_are_the_progressive_target(name: str) -> None:
    schedule = schedules.build(name)
    teacher = mixture(schedule)
    times = UniformTimeGrid(schedule).times(8)
    t, s, end = times[0:7:2], times[1:8:2], times[2::2]
    z = noisy(schedule, t)
    found = self_taught_target(teacher(z, t).x, teacher, z, t, s, end, schedule)
    expected = progressive_target(teacher, z, torch.stack([t, s, end]), schedule)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", schedules.names())
def test_the_recursion_is_all_of_the_teachers_steps(name: str) -> None:
    """With the exact student of a group of 5, the target at every point is that student again."""
    schedule, factor = schedules.build(name), 5
    teacher = mixture(schedule)
    times = UniformTimeGrid(schedule).times(3 * factor)
    exact = group_jump(teacher, schedule, times, factor)
    index = torch.arange(3 * factor)
    t, s, end = times[:-1], times[1:], times[(index // factor + 1) * factor]
    z = noisy(schedule, t)
    found = self_taught_target(teacher(z, t).x, exact, z, t, s, end, schedule)
    torch.testing.assert_close(found, exact(z, t).x, rtol=1e-11, atol=1e-11)
    # What it must do: land where the teacher's five DDIM steps land.
    chain = z[0:1]
    for j in range(factor):
        x = teacher(chain, times[j : j + 1]).x
        chain = ddim_step(chain, x, schedule, times[j : j + 1], times[j + 1 : j + 2])
    jump = ddim_step(z[0:1], found[0:1], schedule, times[0:1], times[factor : factor + 1])
    torch.testing.assert_close(jump, chain, rtol=1e-10, atol=1e-10)


class Model:
    """x depends on z, label and w; keeps the arguments of every call."""

    def __init__(self, schedule: NoiseSchedule, gain: float) -> None:
        self.schedule = schedule
        self.gain = torch.tensor(gain, dtype=F64, requires_grad=True)
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def __call__(self, z, t, label=None, w=None) -> Prediction:
        self.calls.append((z, t, label, w))
        x = torch.tanh(self.gain * z)
        if w is not None:
            x = x * (1 + w.to(z)[:, None])
        return Prediction.from_x(x, z, self.schedule.level_like(t, z))


def test_who_is_asked_where() -> None:
    """Teacher and student at any point of the grid, the average one point later; same w."""
    schedule, count = LinearSchedule(), 200
    student, teacher, average = (Model(schedule, gain) for gain in (0.5, 0.8, 0.3))
    generator = torch.Generator().manual_seed(0)
    x, label = torch.randn(count, 1, dtype=F64, generator=generator), torch.arange(count) % 2
    objective = TractObjective(parts(schedule), steps=2, factor=5)
    loss = objective.at(0.5, average)(student, teacher, x, label, generator)
    (by_student,), (by_teacher,), (by_average,) = student.calls, teacher.calls, average.calls
    assert all(torch.equal(a, b) for a, b in zip(by_student, by_teacher, strict=True))
    z, t, _, w = by_student
    assert sorted((t * 10).round().unique().tolist()) == list(range(1, 11))
    torch.testing.assert_close(by_average[1], t - 0.1, rtol=0, atol=1e-9)
    assert torch.equal(by_average[3], w)
    x_teacher = torch.tanh(0.8 * z) * (1 + w[:, None])
    torch.testing.assert_close(
        by_average[0], ddim_step(z, x_teacher, schedule, t, (t - 0.1).clamp(min=0)).detach()
    )
    loss.loss.backward()
    assert student.gain.grad.abs() > 0
    assert teacher.gain.grad is None
    assert average.gain.grad is None


def exact_flow(model: GaussianDenoiser, times: torch.Tensor, factor: int):
    """Predictions whose step to the end of its group is the flow; the last ones are the data."""
    schedule = model.schedule

    def denoise(z, t, label=None, w=None) -> Prediction:
        index = (times[:-1, None] - t).abs().argmin(dim=0)
        end = times[(index // factor + 1) * factor]
        at, to = schedule.level_like(t, z), schedule.level_like(end, z)
        ratio = to.sigma / at.sigma
        jump = (model.flow(z, t, end) - ratio * z) / (to.alpha - ratio * at.alpha)
        data = 0.7 + 0.5 * (z - at.alpha * 0.7) / torch.hypot(at.alpha * 0.5, at.sigma)
        x = torch.where((end == 0)[:, None], data, jump)
        return Prediction.from_x(x, z, at)

    return denoise


@pytest.mark.parametrize("steps", [1, 4])
def test_exact_map_is_the_fixed_point(steps: int) -> None:
    schedule, factor = CosineSchedule(log_snr_min=-10, log_snr_max=9), 6
    model = GaussianDenoiser(
        schedule, torch.tensor([0.7], dtype=F64), torch.tensor([0.5], dtype=F64)
    )
    times = UniformTimeGrid(schedule).times(steps * factor)
    student, teacher = exact_flow(model, times, factor), exact_flow(model, times, 1)
    generator = torch.Generator().manual_seed(0)
    x = model.sample(256, generator)
    objective = TractObjective(parts(schedule), steps=steps, factor=factor)
    error = objective.at(0, student)(student, teacher, x, None, generator).metrics["x_error"]
    assert error < 1e-22
    wrong = objective.at(0, teacher)(teacher, teacher, x, None, generator).metrics["x_error"]
    assert wrong > 1e-4


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 1, "factor": 1}, "factor at least 2"),
        ({"steps": 1, "average_decay": 1.0}, r"average_decay must be in \[0, 1\)"),
        ({"steps": 1, "w_min": -2.0}, "guidance weights need"),
    ],
)
def test_refuses_impossible_numbers(numbers: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        objectives.build({"name": "tract", **numbers}, parts(CosineSchedule()))


def test_refuses_grids_that_do_not_nest() -> None:
    schedule = CosineSchedule()
    with pytest.raises(ConfigurationError, match="is no part of the grid"):
        objectives.build({"name": "tract", "steps": 4}, parts(schedule, KarrasTimeGrid(schedule)))


def test_needs_a_teacher() -> None:
    objective = TractObjective(parts(CosineSchedule()), steps=1)
    with pytest.raises(ValueError, match="needs a teacher"):
        objective(Model(CosineSchedule(), 1.0), None, torch.zeros(1, 1), None, torch.Generator())
