"""The control of every learned reward: it pays for being alive and knows nothing of the expert.

What a learned reward achieves beyond this one, it has learned; what this one achieves as well is
owed to the length of the episodes.
"""

import torch
from torch import Tensor

from genrl.imitation.losses.base import ImitationParts, RewardModel, Sign, imitation_losses
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions


@imitation_losses.register("constant")
class Constant(RewardModel):
    """Control without demonstrations: every step is paid the same.

    Args:
        parts: needs nothing but the environment's spec.
        value: of every step.
    """

    needs_demonstrations = False

    def __init__(self, parts: ImitationParts, *, value: float = 1.0) -> None:
        super().__init__(parts)
        self.value = value
        self.sign: Sign = "unbiased" if value == 0 else "positive" if value > 0 else "negative"

    @property
    def uninformative_reward(self) -> float:
        """Always the same."""
        return self.value

    def reward(self, steps: Transitions) -> Tensor:
        """The value, at every step."""
        return torch.full_like(steps.reward, self.value)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Nothing is learned."""
        return {}
