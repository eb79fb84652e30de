"""A policy with Gaussian noise on its mode, for exploration."""

import torch
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.policies.base import Policy, StochasticPolicy


class NoisyPolicy(Policy):
    """clip(mode + σ · half range · N(0, 1)).

    Args:
        policy: whose mode it is.
        noise: σ, >= 0.

    Raises:
        ConfigurationError: if the actions are not bounded.
    """

    def __init__(self, policy: StochasticPolicy, noise: float) -> None:
        super().__init__(policy.spec)
        if not policy.spec.is_bounded:
            raise ConfigurationError(f"actions of {policy.spec.env_id} have no finite bounds")
        # Not a submodule: the weights belong to the policy itself.
        self.__dict__["policy"] = policy
        self.noise = noise
        self.memory_size = policy.memory_size
        ends = zip(policy.spec.low, policy.spec.high, strict=True)
        self.half_range = torch.tensor([(high - low) / 2 for low, high in ends])

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The mode, with noise unless ``deterministic``."""
        policy: StochasticPolicy = self.__dict__["policy"]
        action, memory = policy.act(obs, start, memory, generator=generator, deterministic=True)
        if deterministic:
            return action, memory
        noise = torch.randn(action.shape, generator=generator)
        return self.spec.clip(action + self.noise * self.half_range * noise), memory

    def cloning_loss(
        self,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """That of the policy."""
        policy: StochasticPolicy = self.__dict__["policy"]
        return policy.cloning_loss(obs, action, valid, generator)
