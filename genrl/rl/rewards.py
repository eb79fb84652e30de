"""Where rewards come from: the environment, or a model that learns them (contract C4).

Rewards are never stored relabelled. An on-policy algorithm relabels a rollout after it was
collected and before its advantages; an off-policy one relabels what it draws from its buffer.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from genrl.rl.rollout import Rollout
from genrl.rl.transitions import Transitions

Metrics = dict[str, float]


class RewardSource(Protocol):
    """Rewards of transitions, and learning from fresh ones."""

    def reward(self, steps: Transitions) -> Tensor:
        """Rewards without gradient, of the shape of ``steps``; observations are not normalized."""

    def settle(self, steps: Transitions) -> Transitions:
        """Whole rollouts, which hold the rewards in force, as on-policy algorithms take them."""

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Learn from what the learner did last: (batch,) transitions, each seen once."""

    def mix(self, steps: Transitions, generator: torch.Generator) -> Transitions:
        """Append others (demonstrations) to a drawn batch; most sources return it as it is."""

    def diagnose(self, rollout: Rollout, learned: Tensor) -> Metrics:
        """What its rewards of fresh steps, (time, env), say about the source."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Inverse of `state_dict`."""


class EnvironmentReward:
    """The reward that the environment gives."""

    def reward(self, steps: Transitions) -> Tensor:
        """As it was stored."""
        return steps.reward

    def settle(self, steps: Transitions) -> Transitions:
        """As they are."""
        return steps

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        """Nothing is learned."""
        return {}

    def mix(self, steps: Transitions, generator: torch.Generator) -> Transitions:
        """As it is."""
        return steps

    def diagnose(self, rollout: Rollout, learned: Tensor) -> Metrics:
        """Nothing to say."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """No state."""
