"""Precision and recall of a generator by nearest neighbours in feature space.

A set of features covers the union of balls around its members; a member's radius is the distance to
its k-th nearest neighbour in the set, itself not counted. Precision is the fraction of generated
examples that the real set covers (are they plausible?), recall is the fraction of real examples
that the generated set covers (is anything left out?). Kynkäänniemi et al. 2019, "Improved Precision
and Recall Metric for Assessing Generative Models", section 3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from genrl.evaluation.distances import distance_blocks


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall, each in [0, 1]."""

    precision: float
    recall: float


def precision_recall(
    real: Float[Tensor, "examples dims"], fake: Float[Tensor, "others dims"], k: int = 3
) -> PrecisionRecall:
    """Precision of the generated features and their recall of the real ones.

    Args:
        real: features of data.
        fake: features of samples; as many as there are real ones, for the radii shrink with the
            number.
        k: which neighbour gives the radius; 3 in the paper.

    Raises:
        ValueError: if a set has no k-th neighbour to offer.
    """
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(
            f"k = {k} needs sets of more than {k} examples, not {len(real)} real and {len(fake)} "
            "generated ones; k must be at least 1"
        )
    return PrecisionRecall(
        precision=_covered(fake, real, _radii(real, k)).double().mean().item(),
        recall=_covered(real, fake, _radii(fake, k)).double().mean().item(),
    )


def _radii(members: Float[Tensor, "members dims"], k: int) -> Float64[Tensor, " members"]:
    # The (k + 1)-th smallest distance: the smallest is the member's own.
    return torch.cat(
        [d.kthvalue(k + 1, dim=1).values for _, d in distance_blocks(members, members)]
    )


def _covered(
    points: Float[Tensor, "points dims"],
    members: Float[Tensor, "members dims"],
    radii: Float64[Tensor, " members"],
) -> Bool[Tensor, " points"]:
    return torch.cat([(d <= radii).any(dim=1) for _, d in distance_blocks(points, members)])
