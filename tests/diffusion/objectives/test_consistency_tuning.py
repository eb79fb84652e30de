"""ECT: the gap's schedule, the two ends, guidance, and the loss by brute force."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.objectives import ConsistencyTuningObjective, Parts, objectives
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.diffusion.time_samplers import UniformTimeSampler
from genrl.diffusion.weightings import UniformWeighting
from genrl.registry import ConfigurationError

F64 = torch.float64
SCHEDULE = CosineSchedule()


def parts(num_classes: int = 0) -> Parts:
    return Parts(
        SCHEDULE,
        UniformWeighting(SCHEDULE),
        UniformTimeSampler(SCHEDULE),
        UniformTimeGrid(SCHEDULE),
        ClassifierFreeGuidance(num_classes),
        num_classes,
    )


@pytest.mark.parametrize("progress", [0.0, 0.13, 0.5, 0.99])
def test_gap_of_the_paper(progress: float) -> None:
    sigma = torch.tensor([1e-3, 0.1, 1.0, 5.0, 80.0], dtype=F64)
    objective = ConsistencyTuningObjective(parts(), doublings=8).at(progress, None)
    stage = math.floor(8 * progress)
    for t, r in zip(sigma.tolist(), objective.lower(sigma).tolist(), strict=True):
        ratio = 1 - (1 + 8 / (1 + math.exp(t))) / 2 ** (stage + 1)
        assert r == pytest.approx(max(t * ratio, 0.0), rel=1e-12, abs=1e-15)


class Student:
    """Linear in z; keeps its calls."""

    def __init__(self) -> None:
        self.gain = torch.tensor(0.4, dtype=F64, requires_grad=True)
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def __call__(self, z, t, label=None, w=None) -> Prediction:
        self.calls.append((z, t, label, w))
        return Prediction.from_x(torch.tanh(self.gain * z), z, SCHEDULE.level_like(t, z))


def test_loss_by_brute_force() -> None:
    """One noise at two levels; the clean end is the example itself."""
    student, generator = Student(), torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, dtype=F64, generator=generator)
    objective = ConsistencyTuningObjective(parts(), doublings=4, huber=1e-9).at(0.6, student)
    assert not objective.needs_teacher
    loss = objective(student, None, x, None, generator)
    (lower_z, s, _, _), (z, t, _, _) = student.calls
    at, low = SCHEDULE.level_like(t.double(), z), SCHEDULE.level_like(s.double(), z)
    noise = (z - at.alpha * x) / at.sigma
    torch.testing.assert_close(lower_z, low.alpha * x + low.sigma * noise, rtol=0, atol=1e-6)
    sigma = (at.sigma / at.alpha)[:, 0]
    wanted = (sigma * (1 - (1 + 8 * torch.sigmoid(-sigma)) / 8)).clamp(min=0)
    is_clean = wanted <= math.exp(-10)
    torch.testing.assert_close(
        (low.sigma / low.alpha)[~is_clean, 0], wanted[~is_clean], rtol=1e-4, atol=1e-9
    )
    target = torch.where(is_clean[:, None], x, torch.tanh(0.4 * lower_z))
    distance = (torch.tanh(0.4 * z) - target).square().mean(dim=1).sqrt()
    expected = (distance * (1 / (sigma - wanted)).clamp(min=1)).mean()
    assert loss.loss.item() == pytest.approx(expected.item(), rel=1e-4)
    loss.loss.backward()
    assert student.gain.grad.abs() > 0


def test_it_begins_as_diffusion_training() -> None:
    """At first the gap of low noise reaches the data: the target is the example."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, dtype=F64, generator=generator)
    student = Student()
    objective = ConsistencyTuningObjective(parts()).at(0.0, student)
    t = torch.linspace(0.1, 0.6, 6, dtype=F64)
    sigma = torch.exp(-0.5 * SCHEDULE.log_snr(t))
    assert (objective.lower(sigma) == 0).all()
    late = ConsistencyTuningObjective(parts()).at(0.99, student)
    assert (late.lower(sigma) > 0.95 * sigma).all()
    assert objective(student, None, x, None, generator).metrics["x_error"] > 0


@pytest.mark.parametrize("progress", [0.0, 0.99])
def test_a_point_mass_has_no_loss(progress: float) -> None:
    model = GaussianDenoiser(SCHEDULE, torch.tensor([0.3], dtype=F64), torch.zeros(1, dtype=F64))
    generator = torch.Generator().manual_seed(0)
    x = model.sample(128, generator)
    objective = ConsistencyTuningObjective(parts()).at(progress, model)
    loss = objective(model, None, x, None, generator)
    assert loss.metrics["x_error"] < 1e-25
    assert loss.loss < 1e-12


def test_guidance_moves_the_example() -> None:
    """By what w adds to the guided teacher's prediction; nothing where w is 0."""
    generator = torch.Generator().manual_seed(0)
    x, label = torch.zeros(64, 1, dtype=F64), torch.zeros(64, dtype=torch.int64)

    def teacher(z, t, label=None, w=None) -> Prediction:
        return Prediction.from_x(0.5 * w.to(z)[:, None] + z, z, SCHEDULE.level_like(t, z))

    for w_max in (0.0, 3.0):
        student = Student()
        objective = ConsistencyTuningObjective(parts(num_classes=2), w_max=w_max, doublings=1)
        assert objective.needs_teacher
        objective.at(0, student)(student, teacher, x, label, generator)
        (lower_z, s, _, w), (z, t, _, _) = student.calls
        assert w.max() <= w_max
        at, low = SCHEDULE.level_like(t.double(), z), SCHEDULE.level_like(s.double(), z)
        moved = 0.5 * w.to(z)[:, None]
        eps = (z - at.alpha * moved) / at.sigma
        torch.testing.assert_close(lower_z, low.alpha * moved + low.sigma * eps, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="needs a guided teacher"):
        objective(student, None, x, label, generator)


def test_refuses_impossible_numbers() -> None:
    for numbers in ({"doublings": 0}, {"q": 1.0}, {"k": -1.0}, {"huber": 0.0}):
        with pytest.raises(ConfigurationError, match="are needed"):
            objectives.build({"name": "consistency_tuning", **numbers}, parts())
