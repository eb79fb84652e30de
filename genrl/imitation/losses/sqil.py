"""Soft Q imitation learning: the expert's steps are worth 1, the learner's 0.

Nothing is trained: half of every batch that an off-policy algorithm learns from are
demonstrations. What the learner does as the expert would becomes worth as much as the expert's own
future; what leads away leads to a future of zeros. Reddy, Dragan & Levine 2020.
"""

import torch
from torch import Tensor

from genrl.imitation.losses.base import ImitationParts, RewardModel, Sign, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Algorithm
from genrl.rl.algorithms.off_policy import OffPolicyAlgorithm
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions


@imitation_losses.register("sqil")
class SQIL(RewardModel):
    """Off-policy learning with as many demonstrations as own steps, paid 1 and 0.

    Args:
        parts: needs demonstrations.
        expert_reward: of a demonstrated step; the learner's own are paid 0.

    Raises:
        ValueError: if the reward is not positive.
        ConfigurationError: if there are no demonstrations.
    """

    sign: Sign = "positive"

    def __init__(self, parts: ImitationParts, *, expert_reward: float = 1.0) -> None:
        super().__init__(parts)
        if expert_reward <= 0:
            raise ValueError(f"expert_reward must be positive, not {expert_reward}")
        self.expert_reward = expert_reward
        self.expert = self.expert_steps()

    def attach(self, algorithm: Algorithm, normalizer: ObservationNormalizer) -> None:
        """Refuse algorithms that draw no batches.

        Raises:
            ConfigurationError: if it is no off-policy algorithm, or its policy has a memory.
        """
        if not isinstance(algorithm, OffPolicyAlgorithm):
            raise ConfigurationError(
                f"sqil puts demonstrations into batches from a replay buffer, and "
                f"{type(algorithm).__name__} has none: take an off-policy algorithm, algorithm=sac"
            )
        if algorithm.policy.memory_size:
            raise ConfigurationError(
                "sqil cannot give demonstrations to a policy with a memory: take "
                "policy=tanh_gaussian"
            )

    def reward(self, steps: Transitions) -> Tensor:
        """0: these are the learner's; demonstrations bring their own."""
        return torch.zeros_like(steps.reward)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Nothing is learned."""
        return {}

    def mix(self, steps: Transitions, generator: torch.Generator) -> Transitions:
        """As many demonstrated steps behind a batch of (batch,) of the learner's."""
        chosen = torch.randint(len(self.expert), (len(steps),), generator=generator)
        expert = self.expert[chosen].to(steps.reward.device)
        fields = {
            **vars(expert),
            "reward": torch.full_like(steps.reward, self.expert_reward),
            "memory": steps.memory,
        }
        return Transitions.cat([steps, Transitions(**fields)])
