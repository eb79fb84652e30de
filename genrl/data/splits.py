"""Which examples are held out of a data set that comes without a test set."""

import torch
from jaxtyping import Int
from torch import Tensor

from genrl.typing import Labels


def stratified_split(
    labels: Labels, fraction: float, seed: int = 0
) -> tuple[Int[Tensor, " train"], Int[Tensor, " held_out"]]:
    """Indices of the training and of the held-out examples, both in ascending order.

    Of a class of n examples, round(fraction · n) are held out: at least one of every class that has
    two, and never all. The choice depends on the labels, the fraction and the seed alone.

    Args:
        labels: class of each example; all equal for data without labels.
        fraction: in [0, 1).
        seed: of the choice.

    Raises:
        ValueError: if the fraction is out of range.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"held_out_fraction must be at least 0 and below 1, not {fraction}")
    generator = torch.Generator().manual_seed(seed)
    is_held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in sorted(set(labels.tolist())):
        members = (labels == label).nonzero().flatten()
        wanted = max(round(fraction * len(members)), int(fraction > 0))
        chosen = torch.randperm(len(members), generator=generator)
        is_held_out[members[chosen[: min(wanted, len(members) - 1)]]] = True
    return (~is_held_out).nonzero().flatten(), is_held_out.nonzero().flatten()
