"""Euclidean distances between many examples, a block of rows at a time.

Short vectors are subtracted from one another. Long ones go through inner products, five times as
fast; that leaves an error of about 1e-8 of a vector's length, which decides nothing between
neighbours but hides whether a distance is exactly 0.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor

_BLOCK_ELEMENTS = 4_000_000  # 32 MB of distances in float64
_LONG = 256


def distance_blocks(
    a: Float[Tensor, "rows dims"],
    b: Float[Tensor, "columns dims"],
    *,
    block_elements: int = _BLOCK_ELEMENTS,
) -> Iterator[tuple[slice, Float64[Tensor, "block columns"]]]:
    """Blocks of rows of a, each with its distances to all of b in float64.

    Args:
        a: examples.
        b: examples of the same size.
        block_elements: most distances held at a time (but at least one row's).

    Raises:
        ValueError: if the examples have different sizes, or a set is empty.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (len(a), len(b)):
        raise ValueError(
            "distances need two sets of at least one vector, all of one size, "
            f"not {tuple(a.shape)} and {tuple(b.shape)}"
        )
    centre = b.double().mean(dim=0)  # inner products lose less near the origin
    a, b = a.double() - centre, b.double() - centre
    mode = "use_mm_for_euclid_dist" if a.shape[1] > _LONG else "donot_use_mm_for_euclid_dist"
    rows = max(1, block_elements // len(b))
    for start in range(0, len(a), rows):
        block = slice(start, min(start + rows, len(a)))
        yield block, torch.cdist(a[block], b, compute_mode=mode)
