"""The order in which training visits the examples: endless epochs, each with its own order.

Position p of the sequence lies in epoch e = p div N and holds permutation_e(p mod N), where the
generator of permutation_e is seeded by (seed, e) alone. Any part of the sequence can therefore be
computed without what came before.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from genrl.diffusion.noise import generators_for

_ORDER_STREAM = 0x6F72646572  # keeps these generators apart from others made of the same seed


class EpochOrder:
    """Index of the example at every position of the endless sequence.

    Args:
        size: N, the number of examples.
        seed: of all permutations.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self._permutations: dict[int, Tensor] = {}

    def indices(self, start: int, stop: int) -> Int[Tensor, " positions"]:
        """Those at positions ``start`` to ``stop - 1``."""
        parts = [torch.empty(0, dtype=torch.long)]
        while start < stop:
            epoch, first = divmod(start, self.size)
            last = min(self.size, first + stop - start)
            parts.append(self._permutation(epoch)[first:last])
            start += last - first
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        known = self._permutations.get(epoch)
        if known is None:
            (generator,) = generators_for(self.seed ^ _ORDER_STREAM, [epoch])
            known = torch.randperm(self.size, generator=generator)
            self._permutations = {epoch: known}
        return known
