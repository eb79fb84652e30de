"""Measures what a stage of a run generates, always on the same noise, and draws it.

For each guidance weight and number of steps: Fréchet distance to training and held-out data,
precision and recall, class accuracy, distance to the nearest training example, and the paired RMSE
to the reference (the first stage's own sampler at the most steps) on the same noise.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from genrl.diffusion.drawing import SampleDrawer, class_of
from genrl.diffusion.samplers.base import samplers
from genrl.evaluation.accuracy import accuracy
from genrl.evaluation.features.base import Feature
from genrl.evaluation.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_from_statistics,
)
from genrl.evaluation.nearest import nearest_neighbours
from genrl.evaluation.paired_rmse import paired_rmse
from genrl.evaluation.precision_recall import precision_recall
from genrl.typing import Data, DataSpec

Gather = Callable[[Tensor], Tensor]
MAX_REAL = 10_000
"""Real examples of each split that are compared with, and that classifiers learn from."""


@dataclass(frozen=True)
class Row:
    """One line of ``summary.json``: a stage at a number of steps and a guidance weight.

    ``seconds_per_image`` is wall-clock time on one device; everything else is a function of the
    weights and the seed.
    """

    name: str
    num_steps: int
    sampler: str
    w: float
    frechet: float
    frechet_held_out: float | None
    precision: float
    recall: float
    accuracy: float | None
    paired_rmse: float | None
    nearest_distance: float
    network_evaluations: int
    seconds_per_image: float
    frechet_ratio: float | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


class Evaluator:
    """Compares samples with data in the space of a feature.

    Args:
        feature: fitted.
        spec: of the data.
        train: training data that the samples are compared with.
        held_out: data that training never saw, or None.
        num_samples: for each number of steps and weight.
        seed: of the sampling noise.
        batch_size: samples at a time.
        device: of the models.
        rank: of this process; it draws every ``world_size``-th sample.
        world_size: number of processes.
        gather: joins the samples of all processes, in order of rank, along the first dimension.
        before_batch: called before each batch of samples; its exceptions end the evaluation.

    Raises:
        ValueError: if there are fewer samples than processes.
    """

    def __init__(
        self,
        feature: Feature,
        spec: DataSpec,
        train: Data,
        held_out: Data | None,
        *,
        num_samples: int,
        seed: int,
        batch_size: int = 250,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        gather: Gather | None = None,
        before_batch: Callable[[], None] | None = None,
    ) -> None:
        if num_samples < world_size:
            raise ValueError(f"{world_size} processes cannot share {num_samples} samples")
        self.feature, self.spec, self.train = feature, spec, train
        self.num_samples, self.seed, self.batch_size = num_samples, seed, batch_size
        self.device, self.rank, self.world_size, self.gather = device, rank, world_size, gather
        self.before_batch = before_batch
        self.train_features = feature(train).embedding
        self.train_statistics = feature_statistics(self.train_features)
        self.held_out_statistics: FeatureStatistics | None = None
        if held_out is not None and len(held_out) > 1:
            self.held_out_statistics = feature_statistics(feature(held_out).embedding)
        self.references: dict[float, Tensor] = {}
        self.reference_frechet: dict[float, float] = {}

    def floor(self) -> float | None:
        """Fréchet distance of held-out to training data: what a perfect generator would get."""
        if self.held_out_statistics is None:
            return None
        return frechet_from_statistics(self.held_out_statistics, self.train_statistics)

    def draw(self, drawer: SampleDrawer, steps: int, w: float) -> tuple[Data, float]:
        """All samples, and the seconds that one of them took on this device."""
        mine = [*range(self.rank, self.num_samples, self.world_size)]
        # As many as the others have: evaluations of a model that is divided are joint acts. A rank
        # with one less repeats its last, which is cut.
        mine += mine[-1:] * (-(-self.num_samples // self.world_size) - len(mine))
        start = time.perf_counter()
        samples = drawer.draw(
            mine,
            steps=steps,
            w=w,
            seed=self.seed,
            batch_size=self.batch_size,
            device=self.device,
            before_batch=self.before_batch,
        )
        seconds = (time.perf_counter() - start) / len(mine)
        if self.gather is None or self.world_size == 1:
            return samples, seconds
        return self._join(samples), seconds

    def _join(self, samples: Data) -> Data:
        """Interleave the ranks' samples."""
        assert self.gather is not None
        parts = self.gather(samples).view(self.world_size, *samples.shape)
        return parts.transpose(0, 1).flatten(0, 1)[: self.num_samples]

    def set_reference(self, w: float, samples: Data) -> None:
        """What the samples of other stages at this weight are paired with."""
        self.references[w] = samples
        self.reference_frechet[w] = self.frechet(samples)

    def frechet(self, samples: Data) -> float:
        """Fréchet distance to the training data."""
        statistics = feature_statistics(self.feature(samples).embedding)
        return frechet_from_statistics(statistics, self.train_statistics)

    def measure(
        self, name: str, drawer: SampleDrawer, steps: int, w: float, samples: Data, seconds: float
    ) -> Row:
        """Everything that is known of these samples."""
        output = self.feature(samples)
        statistics = feature_statistics(output.embedding)
        frechet = frechet_from_statistics(statistics, self.train_statistics)
        # Radii shrink with the number of members: as many real ones as there are samples.
        real = self.train_features[_spread(len(self.train_features), len(samples))]
        fake = output.embedding[: len(real)]
        coverage = precision_recall(real, fake)
        labels = class_of(range(len(samples)), self.spec)
        reference = self.references.get(w)
        is_reference = reference is samples
        best = self.reference_frechet.get(w)
        return Row(
            name=name,
            num_steps=steps,
            sampler=samplers.name_of(type(drawer.sampler)),
            w=w,
            frechet=frechet,
            frechet_held_out=None
            if self.held_out_statistics is None
            else frechet_from_statistics(statistics, self.held_out_statistics),
            precision=coverage.precision,
            recall=coverage.recall,
            accuracy=None
            if output.logits is None or labels is None
            else accuracy(output.logits, labels),
            paired_rmse=None
            if reference is None or is_reference
            else paired_rmse(samples, reference),
            nearest_distance=nearest_neighbours(samples, self.train).distance.mean().item(),
            network_evaluations=drawer.evaluations(steps, w),
            seconds_per_image=seconds,
            frechet_ratio=None if not best else frechet / best,
        )


def _spread(total: int, count: int) -> Sequence[int]:
    """At most ``count`` indices, evenly over ``total``: data is often sorted by class."""
    count = min(total, count)
    return [i * total // count for i in range(count)]
