"""Game-theoretic apprenticeship learning: costs in the convex hull of ± the features.

    sup_w wᵀ(μ_L - μ_E) = max_j |μ_L - μ_E|_j        w = ± the unit vector of that j

A linear function attains its supremum over a simplex at a corner. The corner jumps from update to
update: ``history`` smooths the mean that chooses it. Syed & Schapire 2008; without a model of the
environment: Ho, Gupta & Ermon 2016.
"""

import torch
from torch import Tensor

from genrl.imitation.losses.base import ImitationParts, Inputs, Sign, imitation_losses
from genrl.imitation.losses.linear import LinearReward


@imitation_losses.register("game_theoretic")
class GameTheoretic(LinearReward):
    """Reward by the single feature whose mean is farthest from the expert's.

    Args:
        parts: needs demonstrations.
        inputs: what features are made of: values and their squares.
        sign: positive and negative shift the reward to one sign, unbiased leaves it.
        history: transitions of the learner that its mean of features runs over, about; the fresh
            ones at least.
        limit: greatest absolute value of a standardized input.

    Raises:
        ValueError: if a number is out of its range.
        ConfigurationError: if there are no demonstrations.
    """

    def __init__(
        self,
        parts: ImitationParts,
        *,
        inputs: Inputs = "state_action",
        sign: Sign = "positive",
        history: int = 8192,
        limit: float = 5.0,
    ) -> None:
        super().__init__(parts, inputs, sign, history, limit)

    def worst_cost(self, gap: Tensor) -> Tensor:
        """± the unit vector of the greatest absolute gap."""
        cost = torch.zeros_like(gap)
        largest = gap.abs().argmax()
        cost[largest] = gap[largest].sign()
        return cost
