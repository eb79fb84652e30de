"""Feature expectation matching: costs within the unit ball.

    sup_{‖w‖ ≤ 1} wᵀ(μ_L - μ_E) = ‖μ_L - μ_E‖        w = (μ_L - μ_E) / ‖μ_L - μ_E‖

Abbeel & Ng 2004; without a model of the environment: Ho, Gupta & Ermon 2016.
"""

from torch import Tensor

from genrl.imitation.losses.base import ImitationParts, Inputs, Sign, imitation_losses
from genrl.imitation.losses.linear import LinearReward


@imitation_losses.register("fem")
class FEM(LinearReward):
    """Reward -wᵀφ with w = (μ_L - μ_E) / ‖μ_L - μ_E‖.

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
        history: int = 4096,
        limit: float = 5.0,
    ) -> None:
        super().__init__(parts, inputs, sign, history, limit)

    def worst_cost(self, gap: Tensor) -> Tensor:
        """gap / ‖gap‖."""
        unit: Tensor = gap / gap.norm().clamp(min=1e-12)
        return unit
