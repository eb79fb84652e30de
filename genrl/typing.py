"""Array types and shapes that the whole package shares.

``Batch`` is one number for each example; ``Data`` is data of any rank with the batch first.
"""

from dataclasses import dataclass, field
from math import prod

from jaxtyping import Float, Int
from torch import Tensor

Batch = Float[Tensor, " batch"]
Data = Float[Tensor, "batch *shape"]
Labels = Int[Tensor, " batch"]
Condition = Float[Tensor, "batch condition"]


@dataclass(frozen=True)
class DataSpec:
    """What a network must know of the data.

    Args:
        shape: of one example: (channels, height, width) or (features,).
        num_classes: number of labels; 0 without labels. The null label of guidance is
            ``num_classes`` itself.
        condition_size: numbers in the vector that an example is conditioned on (observations); 0
            without one.
        num_levels: values that an entry may take, equally spaced in [-1, 1]: 256 for images of 8
            bits; None for real numbers. No network depends on it, and equality ignores it.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    condition_size: int = 0
    num_levels: int | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Numbers in one example."""
        return prod(self.shape)
