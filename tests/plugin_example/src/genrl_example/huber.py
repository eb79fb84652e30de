"""Behavioural cloning by Huber's loss: squared near the expert's action, linear far from it.

ℓ(e) = e²/2 for |e| ≤ δ, δ (|e| - δ/2) beyond, the mean over the action's numbers. Huber 1964.
"""

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from genrl.imitation.losses.base import ImitationParts, SupervisedLoss, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.policies.base import Policy, StochasticPolicy


@imitation_losses.register("huber")
class HuberLoss(SupervisedLoss):
    """Huber's loss of the policy's mode against the expert's action; outliers count less.

    Args:
        parts: with demonstrations of continuous actions.
        delta: δ, positive.

    Raises:
        ValueError: if ``delta`` is not positive.
        ConfigurationError: if actions are discrete.
    """

    def __init__(self, parts: ImitationParts, *, delta: float = 0.1) -> None:
        super().__init__(parts)
        if delta <= 0:
            raise ValueError(f"delta must be positive, not {delta}")
        if parts.spec.is_discrete:
            raise ConfigurationError(f"actions of {parts.spec.env_id} have no distance")
        self.delta = delta

    def loss(
        self,
        policy: Policy,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """The mean over the batch of the first step of each window."""
        if not isinstance(policy, StochasticPolicy) or policy.is_recurrent:
            raise ConfigurationError("huber needs a policy with a mode and without a memory")
        return huber_loss(policy(obs[:, 0]).mode, action[:, 0], delta=self.delta)
