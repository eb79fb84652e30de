"""The real examples that an evaluation compares with and a classifier learns from."""

import torch
from torch import Tensor

from genrl.data import ExampleSet

MAX_REAL = 10_000


def real(examples: ExampleSet) -> tuple[Tensor, Tensor | None]:
    """Examples as tensors, evenly chosen where there are too many."""
    count = min(len(examples), MAX_REAL)
    indices = torch.arange(count) * len(examples) // count
    x, label = examples.batch(indices)
    return x, label
