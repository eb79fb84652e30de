"""The contracts of data: a source describes a data set, an example set gives batches of it.

Images are float32 in [-1, 1], channels first. A source is cheap to construct where it can be: what
is large is read by `DataSource.train` and `DataSource.held_out`, once.
"""

import abc
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from genrl.diffusion.noise import Generators
from genrl.registry import Registry
from genrl.typing import Data, DataSpec, Labels

data_sources: Registry["DataSource"] = Registry("data")


class ExampleBatch(NamedTuple):
    """Some examples; Lightning moves it between devices as it is.

    Args:
        x: float32; images lie in [-1, 1].
        label: int64, or None without labels.
    """

    x: Data
    label: Labels | None


class ExampleSet(abc.ABC):
    """A sized set of examples that are asked for by index."""

    is_augmented: bool = False
    """Whether a batch depends on the generators."""

    is_lazy: bool = False
    """Whether a batch reads files, so that it pays to prepare the next ones in the background."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def batch(self, indices: Int[Tensor, " batch"], generators: Generators = None) -> ExampleBatch:
        """The examples with these indices, in this order.

        Args:
            indices: on the CPU, each in [0, len).
            generators: of the augmentation: one for all, or one for each example; None leaves the
                examples as they are.
        """

    @property
    @abc.abstractmethod
    def labels(self) -> Labels | None:
        """The class of every example."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A short hash that differs where the examples or their order differ."""

    def evenly(self, most: int) -> ExampleBatch:
        """At most so many examples as they are, evenly chosen where there are more."""
        count = min(len(self), most)
        return self.batch(torch.arange(count) * len(self) // count)

    def in_order(self, batch_size: int) -> Iterator[ExampleBatch]:
        """Every example once, as it is; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(torch.arange(start, min(start + batch_size, len(self))))


class DataSource(abc.ABC):
    """A data set: what it looks like, its training examples and those held out.

    ``default_feature`` names the evaluation feature that suits the data: ``digits`` for digits,
    ``classifier`` for other labelled images, ``identity`` for vectors and for data without labels.
    ``value_range`` holds the smallest and the largest value of the data, or None where it has no
    bounds.
    """

    spec: DataSpec
    class_names: tuple[str, ...] = ()
    default_feature: str = "identity"
    value_range: tuple[float, float] | None = (-1.0, 1.0)

    @abc.abstractmethod
    def train(self) -> ExampleSet:
        """The examples to learn from."""

    @abc.abstractmethod
    def held_out(self) -> ExampleSet | None:
        """Examples that training never sees, or None where the source has none."""
