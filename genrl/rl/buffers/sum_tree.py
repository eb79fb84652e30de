"""A sum tree: draws an index in proportion to its value, and changes values, in O(log n).

A binary heap of sums: node i is the sum of nodes 2i and 2i + 1, and the values are its last level.
A batch moves through a level in a few vector operations. A change adds up the nodes above it
anew, so that rounding errors do not grow and values alone restore the tree bit for bit.

Schaul et al. 2016, Prioritized Experience Replay, appendix B.2.1.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class SumTree:
    """Values >= 0, all 0 at first.

    Args:
        size: number of values, >= 1.
    """

    def __init__(self, size: int) -> None:
        self.depth = (size - 1).bit_length()
        self.first = 1 << self.depth
        self.nodes: NDArray[np.float64] = np.zeros(2 * self.first)

    @property
    def total(self) -> float:
        """Sum of all values."""
        return float(self.nodes[1])

    @property
    def values(self) -> Tensor:
        """All values, those beyond ``size`` 0; to be read only."""
        return torch.from_numpy(self.nodes[self.first :])

    def get(self, index: Tensor) -> Tensor:
        """Values at indices."""
        return torch.from_numpy(self.nodes[index.numpy() + self.first])

    def set(self, index: Tensor, value: Tensor) -> None:
        """Change values, (count,) float64; of values for the same index the last counts."""
        if not len(index):
            return
        node = index.numpy() + self.first
        self.nodes[node] = value.numpy()
        if len(node) > 64:
            node = np.unique(node >> 1) << 1
        for _ in range(self.depth):
            node = node >> 1
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    def find(self, mass: Tensor) -> Tensor:
        """The first indices up to which the values sum to more than ``mass`` in [0, total)."""
        left = mass.numpy().astype(np.float64)
        node = np.ones(len(left), dtype=np.int64)
        for _ in range(self.depth):
            node *= 2
            sums = self.nodes[node]
            # Rounding must not lead to a value of 0.
            is_right = (left >= sums) & (self.nodes[node + 1] > 0)
            left -= np.where(is_right, sums, 0.0)
            node += is_right
        return torch.from_numpy(node - self.first)

    def load(self, values: Tensor) -> None:
        """Set the first values, and all others to 0."""
        self.nodes[:] = 0.0
        self.nodes[self.first : self.first + len(values)] = values.numpy()
        end = 2 * self.first
        while end > 2:
            begin = end // 2
            self.nodes[begin // 2 : begin] = (
                self.nodes[begin:end:2] + self.nodes[begin + 1 : end : 2]
            )
            end = begin
