"""The evaluator: processes share the samples, and each number is the one it is called."""

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    ClassifierFreeGuidance,
    CosineSchedule,
    DDIMSampler,
    GaussianDenoiser,
    SampleDrawer,
    UniformTimeGrid,
)
from genrl.evaluation import frechet_distance, paired_rmse, precision_recall
from genrl.evaluation.evaluator import Evaluator, Gather
from genrl.evaluation.features import FeatureOutput
from genrl.evaluation.features.base import Feature
from genrl.typing import Data, DataSpec

SPEC = DataSpec((2,), 3)


class Classified(Feature):
    """The data themselves, and the nearest of three centres as their class."""

    def compute(self, x: Data) -> FeatureOutput:
        centres = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        return FeatureOutput(x, -torch.cdist(x, centres))


def points(count: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)) + shift


def drawer(is_guided: bool = False) -> SampleDrawer:
    schedule = CosineSchedule()
    means = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    model = GaussianDenoiser(
        schedule, torch.zeros(2), torch.ones(2), means, torch.full((3, 2), 0.2)
    )
    return SampleDrawer(
        model,
        DDIMSampler(schedule, UniformTimeGrid(schedule)),
        SPEC,
        guidance=ClassifierFreeGuidance(3),
        thresholding=None,
        is_guided=is_guided,
    )


def evaluator(
    num_samples: int = 12,
    *,
    rank: int = 0,
    world_size: int = 1,
    gather: Gather | None = None,
    held_out: Tensor | None = None,
) -> Evaluator:
    return Evaluator(
        Classified(SPEC),
        SPEC,
        points(60, seed=0),
        held_out,
        num_samples=num_samples,
        seed=3,
        batch_size=4,
        rank=rank,
        world_size=world_size,
        gather=gather,
    )


@pytest.mark.parametrize("world_size", [2, 3, 5, 12])
@pytest.mark.parametrize("num_samples", [12, 13, 14])
def test_processes_draw_what_one_process_draws(world_size: int, num_samples: int) -> None:
    """Each process is played in turn; what it would send is kept, then everybody gets it all."""
    alone, _ = evaluator(num_samples).draw(drawer(), 4, 1.0)
    sent: list[Tensor] = []

    def send(mine: Tensor) -> Tensor:
        sent.append(mine)
        return mine.repeat(world_size, 1)

    for rank in range(world_size):
        evaluator(num_samples, rank=rank, world_size=world_size, gather=send).draw(drawer(), 4, 1.0)
    assert len({part.shape for part in sent}) == 1, "all_gather needs equal shapes"
    for rank in range(world_size):
        everybody = evaluator(
            num_samples, rank=rank, world_size=world_size, gather=lambda _: torch.cat(sent)
        )
        joined, seconds = everybody.draw(drawer(), 4, 1.0)
        assert torch.equal(joined, alone)
        assert seconds > 0


def test_more_processes_than_samples() -> None:
    with pytest.raises(ValueError, match="5 processes cannot share 4 samples"):
        evaluator(4, world_size=5)


def test_each_number_is_what_it_is_called() -> None:
    held_out = points(50, seed=1)
    judge = evaluator(held_out=held_out)
    samples = points(12, seed=2, shift=0.3)
    reference = points(12, seed=4)
    judge.set_reference(2.0, reference)
    row = judge.measure("8", drawer(), 4, 2.0, samples, 0.25)
    train = points(60, seed=0)
    assert row.name == "8"
    assert row.num_steps == 4
    assert row.w == 2.0
    assert row.sampler == "ddim"
    assert row.seconds_per_image == 0.25
    assert row.frechet == pytest.approx(frechet_distance(samples, train), rel=1e-9)
    assert row.frechet_held_out == pytest.approx(frechet_distance(samples, held_out), rel=1e-9)
    assert row.paired_rmse == pytest.approx(paired_rmse(samples, reference), rel=1e-12)
    best = frechet_distance(reference, train)
    assert row.frechet_ratio == pytest.approx(row.frechet / best, rel=1e-9)
    nearest = torch.cdist(samples.double(), train.double()).min(dim=1).values.mean().item()
    assert row.nearest_distance == pytest.approx(nearest, rel=1e-9)
    # As many real examples as samples, from everywhere in the data: every fifth of sixty.
    expected = precision_recall(train[::5], samples)
    assert (row.precision, row.recall) == (expected.precision, expected.recall)
    centres = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    classes = torch.cdist(samples, centres).argmin(dim=1)
    assert row.accuracy == (classes == torch.arange(12) % 3).double().mean().item()
    assert row.network_evaluations == 8
    assert judge.floor() == pytest.approx(frechet_distance(held_out, train), rel=1e-9)
    assert row.as_dict()["frechet"] == row.frechet


def test_a_guided_student_evaluates_once_a_step() -> None:
    samples = points(12, seed=2)
    row = evaluator().measure("8", drawer(is_guided=True), 4, 2.0, samples, 0.1)
    assert row.network_evaluations == 4
    row = evaluator().measure("teacher", drawer(), 4, 0.0, samples, 0.1)
    assert row.network_evaluations == 4


def test_what_cannot_be_known_is_none() -> None:
    row = evaluator().measure("8", drawer(), 4, 2.0, points(12, seed=2), 0.1)
    assert row.frechet_held_out is None
    assert row.paired_rmse is None
    assert row.frechet_ratio is None
    assert evaluator().floor() is None


def test_the_reference_is_not_paired_with_itself() -> None:
    judge, samples = evaluator(), points(12, seed=2)
    judge.set_reference(1.0, samples)
    row = judge.measure("teacher", drawer(), 64, 1.0, samples, 0.1)
    assert row.paired_rmse is None
    assert row.frechet_ratio == pytest.approx(1.0, rel=1e-9)
    other = judge.measure("teacher", drawer(), 64, 2.0, samples, 0.1)
    assert other.frechet_ratio is None


def test_samples_are_paired_by_their_index() -> None:
    """Permuted samples have the same distribution and are far from their partners."""
    judge, samples = evaluator(), points(12, seed=2)
    judge.set_reference(1.0, samples)
    shuffled = judge.measure("8", drawer(), 8, 1.0, samples.flip(0), 0.1)
    assert shuffled.frechet_ratio == pytest.approx(1.0, abs=1e-6)
    assert shuffled.paired_rmse is not None
    assert shuffled.paired_rmse > 0.5


def test_a_copy_of_the_training_data_is_told() -> None:
    judge = evaluator(60)
    row = judge.measure("8", drawer(), 4, 0.0, points(60, seed=0), 0.1)
    assert row.nearest_distance == 0
    assert row.frechet == pytest.approx(0, abs=1e-6)
    assert (row.precision, row.recall) == (1.0, 1.0)
