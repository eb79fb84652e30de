"""The training example nearest to each sample: has the model copied?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from genrl.evaluation.distances import distance_blocks
from genrl.typing import Data


@dataclass(frozen=True)
class Neighbours:
    """The nearest training example of each sample.

    Args:
        index: of the training example.
        distance: Euclidean, between the two.
    """

    index: Int64[Tensor, " samples"]
    distance: Float64[Tensor, " samples"]


def nearest_neighbours(samples: Data, train: Data) -> Neighbours:
    """Nearest training examples in the space of the data (pixels for images); of equal ones, any.

    Raises:
        ValueError: if the shapes of the examples differ.
    """
    if samples.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"samples of shape {tuple(samples.shape[1:])} have no neighbours among "
            f"training examples of shape {tuple(train.shape[1:])}"
        )
    flat, train_flat = samples.flatten(1), train.flatten(1)
    index = torch.cat([d.argmin(dim=1) for _, d in distance_blocks(flat, train_flat)])
    # Again by subtraction: a copy must have distance 0, not 1e-8.
    difference = flat.double() - train_flat[index].double()
    return Neighbours(index, difference.square().sum(dim=1).sqrt())
