"""The denoising objective: its expectation in closed form, and how labels are dropped."""

import math

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import NoGuidance
from genrl.diffusion.objectives import DenoisingObjective, Parts, objectives
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.diffusion.time_samplers import TimeSampler, UniformTimeSampler
from genrl.diffusion.weightings import Weighting
from genrl.registry import ConfigurationError

F64 = torch.float64
SCHEDULE = CosineSchedule()


class FixedTime(TimeSampler):
    def sample(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        return torch.full((batch,), 0.4)


class TimeItself(Weighting):
    """A weight that tells the times apart."""

    def __call__(self, t: torch.Tensor) -> torch.Tensor:
        return 1 + 10 * t


def parts(time_sampler: TimeSampler) -> Parts:
    grid = UniformTimeGrid(SCHEDULE)
    return Parts(SCHEDULE, TimeItself(SCHEDULE), time_sampler, grid, NoGuidance(4), 4)


class Student:
    """Predicts zero, or what it is given, and keeps its arguments."""

    def __init__(self, inner: object = None) -> None:
        self.inner = inner

    def __call__(self, z, t, label=None, w=None) -> Prediction:
        self.z, self.t, self.label, self.w = z, t, label, w
        if self.inner is not None:
            return self.inner(z, t, label, w)
        return Prediction.from_x(torch.zeros_like(z), z, SCHEDULE.level_like(t, z))


def test_exact_model_leaves_the_posterior_variance() -> None:
    """E (x - E[x|z])² = s² σ² / (α² s² + σ²); its 2·10⁵ samples are within four standard errors."""
    std, count = 0.5, 200_000
    model = GaussianDenoiser(
        SCHEDULE, torch.tensor([0.7], dtype=F64), torch.tensor([std], dtype=F64)
    )
    generator = torch.Generator().manual_seed(0)
    x = model.sample(count, generator)
    loss = DenoisingObjective(parts(FixedTime(SCHEDULE)))(Student(model), None, x, None, generator)
    level = SCHEDULE.level(torch.tensor(0.4, dtype=F64))
    variance = (std * level.sigma / torch.hypot(level.alpha * std, level.sigma)).item() ** 2
    tolerance = 4 * math.sqrt(2 / count)
    assert loss.loss.item() == pytest.approx(5 * variance, rel=tolerance)
    assert loss.metrics["x_error"].item() == pytest.approx(variance, rel=tolerance)


def test_each_example_has_its_own_time_and_weight() -> None:
    """By brute force from the arguments that the student saw."""
    student, generator = Student(), torch.Generator().manual_seed(0)
    x = torch.randn(7, 3, 2, 2, generator=generator)
    loss = DenoisingObjective(parts(UniformTimeSampler(SCHEDULE)))(
        student, None, x, None, generator
    )
    assert student.t.unique().numel() == 7
    expected = sum((1 + 10 * student.t[i]) * x[i].square().mean() for i in range(7)) / 7
    torch.testing.assert_close(loss.loss, expected)
    torch.testing.assert_close(loss.metrics["x_error"], x.square().mean())
    assert student.label is None
    assert student.w is None
    # The noise that the student saw is standard normal, and new for every number.
    level = SCHEDULE.level_like(student.t, x)
    noise = (student.z - level.alpha * x) / level.sigma
    assert noise.unique().numel() == noise.numel()
    assert abs(noise.mean().item()) < 4 / math.sqrt(noise.numel())


def test_labels_are_dropped_at_their_rate() -> None:
    count = 20_000
    label = torch.arange(count) % 4
    student = Student()
    generator = torch.Generator().manual_seed(0)
    DenoisingObjective(parts(UniformTimeSampler(SCHEDULE)), label_dropout=0.1)(
        student, None, torch.zeros(count, 1), label, generator
    )
    dropped = student.label == 4
    four_sigma = 4 * math.sqrt(0.1 * 0.9 / count)
    assert dropped.double().mean().item() == pytest.approx(0.1, abs=four_sigma)
    assert torch.equal(student.label[~dropped], label[~dropped])
    # Dropping does not depend on the time, nor on the example before.
    assert student.t[dropped].mean().item() == pytest.approx(0.5, abs=4 * 0.289 / math.sqrt(2000))
    pairs = (dropped[1:] & dropped[:-1]).double().mean().item()
    assert pairs == pytest.approx(0.01, abs=4 * math.sqrt(0.01 / count))
    assert label.max() == 3


@pytest.mark.parametrize(("rate", "kept"), [(0.0, True), (1.0, False)])
def test_never_and_always(rate: float, kept: bool) -> None:
    student, label = Student(), torch.arange(1000) % 4
    DenoisingObjective(parts(UniformTimeSampler(SCHEDULE)), label_dropout=rate)(
        student, None, torch.zeros(1000, 1), label, torch.Generator().manual_seed(0)
    )
    assert torch.equal(student.label, label if kept else torch.full_like(label, 4))


def test_gradient_flows_and_randomness_is_the_generators() -> None:
    network = torch.nn.Linear(3, 3)

    def student(z, t, label=None, w=None) -> Prediction:
        return Prediction.from_x(network(z), z, SCHEDULE.level_like(t, z))

    objective = DenoisingObjective(parts(UniformTimeSampler(SCHEDULE)))
    x, label = torch.randn(16, 3), torch.arange(16) % 4
    first, second, other = (
        objective(student, None, x, label, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.loss, second.loss)
    assert not torch.equal(first.loss, other.loss)
    first.loss.backward()
    assert network.weight.grad is not None
    assert network.weight.grad.abs().min() > 0
    assert not first.metrics["x_error"].requires_grad


def test_built_by_name_and_refuses_a_wrong_rate() -> None:
    built = objectives.build(
        {"name": "denoising", "label_dropout": 0.2}, parts(FixedTime(SCHEDULE))
    )
    assert built.label_dropout == 0.2
    assert not built.needs_teacher
    with pytest.raises(ConfigurationError, match=r"label_dropout must be in \[0, 1\], not 1.5"):
        objectives.build({"name": "denoising", "label_dropout": 1.5}, parts(FixedTime(SCHEDULE)))
