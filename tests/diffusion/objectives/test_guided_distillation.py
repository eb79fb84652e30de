"""Guided distillation: the loss of students that know w, ignore it, or are off by one in it."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.objectives import GuidedDistillationObjective, Parts, objectives
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.diffusion.time_samplers import TimeSampler, UniformTimeSampler
from genrl.diffusion.weightings import TruncatedSnrWeighting, Weighting
from genrl.registry import ConfigurationError

F64 = torch.float64
SCHEDULE = CosineSchedule()


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)[:, None]


TEACHER = GaussianDenoiser(
    SCHEDULE, column(0.0)[0], column(1.1)[0], column(1.0, -1.0), column(0.3, 0.5)
)


def parts(weighting: Weighting, time_sampler: TimeSampler | None = None) -> Parts:
    return Parts(
        SCHEDULE,
        weighting,
        time_sampler or UniformTimeSampler(SCHEDULE),
        UniformTimeGrid(SCHEDULE),
        ClassifierFreeGuidance(2),
        2,
    )


class FixedTime(TimeSampler):
    def sample(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        return torch.full((batch,), 0.7)


class Student:
    """The guided prediction at ``weight(w)``; keeps its arguments."""

    def __init__(self, weight=lambda w: w) -> None:
        self.weight = weight

    def __call__(self, z, t, label=None, w=None) -> Prediction:
        self.z, self.t, self.label, self.w = z, t, label, w
        guidance = ClassifierFreeGuidance(2)
        return guidance(TEACHER, z, t, label, self.weight(w))


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(count) % 2
    return TEACHER.sample(count, generator, label), label, generator


def test_student_that_knows_w_has_no_loss() -> None:
    x, label, generator = batch(512)
    objective = GuidedDistillationObjective(parts(TruncatedSnrWeighting(SCHEDULE)))
    assert objective(Student(), TEACHER, x, label, generator).loss == 0
    # Another convention of w, or w of the neighbour, is seen.
    for wrong in (lambda w: w - 1, lambda w: w.roll(1)):
        assert objective(Student(wrong), TEACHER, x, label, generator).loss > 0.01


def test_loss_of_a_student_that_ignores_w() -> None:
    """At the mean of w its error is Var(w) E (x_c - x_u)², and Var(w) = (w_max - w_min)² / 12."""
    x, label, generator = batch(200_000)
    student = Student(lambda w: torch.full_like(w, 3.0))
    objective = GuidedDistillationObjective(
        parts(TruncatedSnrWeighting(SCHEDULE), FixedTime(SCHEDULE)), w_min=1.0, w_max=5.0
    )
    loss = objective(student, TEACHER, x, label, generator)
    gap = TEACHER(student.z, student.t, label).x - TEACHER(student.z, student.t).x
    expected = (16 / 12) * gap.square().mean().item()
    weight = max(1.0, math.exp(SCHEDULE.log_snr(torch.tensor(0.7)).item()))
    assert weight == 1.0
    assert loss.metrics["x_error"].item() == pytest.approx(expected, rel=0.02)
    assert loss.loss.item() == pytest.approx(expected, rel=0.02)


def test_every_example_has_its_own_w_and_keeps_its_label() -> None:
    x, label, generator = batch(20_000)
    student, seen = Student(), []

    def teacher(z, t, label=None, w=None) -> Prediction:
        seen.append((z, t, label, w))
        return TEACHER(z, t, label, w)

    objective = GuidedDistillationObjective(
        parts(TruncatedSnrWeighting(SCHEDULE)), w_min=0.5, w_max=4.0
    )
    objective(student, teacher, x, label, generator)
    w = student.w.double()
    assert torch.equal(student.label, label)
    assert w.min() >= 0.5
    assert w.max() <= 4.0
    sorted_share = ((w - 0.5) / 3.5).sort().values
    uniform = torch.linspace(0, 1, len(w), dtype=F64)
    assert (sorted_share - uniform).abs().max() < 1.95 / math.sqrt(len(w))
    correlation = torch.corrcoef(torch.stack([w, student.t.double()]))[0, 1]
    assert correlation.abs() < 4 / math.sqrt(len(w))
    ((z, t, labels, teacher_w),) = seen
    assert teacher_w is None
    assert torch.equal(z, torch.cat([student.z, student.z]))
    assert torch.equal(t, torch.cat([student.t, student.t]))
    assert torch.equal(labels, torch.cat([label, torch.full_like(label, 2)]))


def test_weight_of_each_example_is_that_of_its_time() -> None:
    x, label, generator = batch(64)
    student = Student(lambda w: w + 1)
    weighting = TruncatedSnrWeighting(SCHEDULE)
    loss = GuidedDistillationObjective(parts(weighting))(student, TEACHER, x, label, generator)
    gap = TEACHER(student.z, student.t, label).x - TEACHER(student.z, student.t).x
    expected = (weighting(student.t) * gap[:, 0].square()).mean()
    torch.testing.assert_close(loss.loss, expected, rtol=1e-6, atol=0)


def test_only_the_student_gets_gradients() -> None:
    networks = {who: torch.nn.Linear(1, 1, dtype=F64) for who in ("student", "teacher")}

    def model(who: str):
        def denoise(z, t, label=None, w=None) -> Prediction:
            shift = 0 if label is None else label.to(z)[:, None]
            x = networks[who](z + shift + (0 if w is None else w.to(z)[:, None]))
            return Prediction.from_x(x, z, SCHEDULE.level_like(t, z))

        return denoise

    x, label, generator = batch(32)
    objective = GuidedDistillationObjective(parts(TruncatedSnrWeighting(SCHEDULE)))
    objective(model("student"), model("teacher"), x, label, generator).loss.backward()
    assert networks["student"].weight.grad.abs() > 0
    assert networks["teacher"].weight.grad is None


def test_says_what_it_needs() -> None:
    x, label, generator = batch(4)
    objective = objectives.build("guided_distillation", parts(TruncatedSnrWeighting(SCHEDULE)))
    assert objective.needs_teacher
    with pytest.raises(ValueError, match="needs a teacher and data with labels"):
        objective(Student(), TEACHER, x, None, generator)
    with pytest.raises(ValueError, match="needs a teacher and data with labels"):
        objective(Student(), None, x, label, generator)
    for limits in ({"w_min": 5.0}, {"w_min": -2.0}):
        with pytest.raises(ConfigurationError, match="-1 <= w_min <= w_max"):
            objectives.build({"name": "guided_distillation", **limits}, objective.parts)
