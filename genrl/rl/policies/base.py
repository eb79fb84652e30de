"""The contract of a policy.

A policy maps observations to actions and may carry a memory, a vector of ``memory_size`` numbers
for each environment: a recurrent state, the rest of an action chunk, an exploration matrix. A
memory is zero at the start of an episode.
"""

import abc

import torch
from torch import Tensor, nn

from genrl.registry import Registry
from genrl.rl.distributions.base import Distribution
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

policies: Registry["Policy"] = Registry("policy")


class Policy(nn.Module, abc.ABC):
    """Acts, and can be cloned from demonstrations.

    Args:
        spec: of the environment.
    """

    memory_size: int = 0
    window: int = 1  # consecutive steps of a demonstration that `cloning_loss` wants
    window_before: int = 0  # of them that lie before the step that the window is about

    def __init__(self, spec: EnvSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def is_recurrent(self) -> bool:
        """Whether features depend on the memory, so that learning must run along time."""
        return self.memory_size > 0

    def initial_memory(self, num_envs: int) -> Tensor:
        """The memory at the start of an episode: zeros, (num_envs, memory_size)."""
        return torch.zeros(num_envs, self.memory_size)

    @abc.abstractmethod
    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Actions and memories after them.

        Args:
            obs: (env, obs_size), normalized where the run normalizes.
            start: (env,), bool; forget the memory, a new episode begins.
            memory: (env, memory_size).
            generator: of every random number.
            deterministic: take the mode.
        """

    @abc.abstractmethod
    def cloning_loss(
        self,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The loss of imitating windows of demonstrations, (batch,).

        Args:
            obs: (batch, window, obs_size).
            action: (batch, window, ...).
            valid: (batch, window), bool; False after the end of an episode, where the last step is
                repeated, and before its start, where the first one is (with ``window_before``).
            generator: of noise and times.
        """

    def after_update(self) -> None:
        """Called after each step of an optimizer on the cloning loss."""


class StochasticPolicy(Policy):
    """A policy with a distribution over actions.

    Features are what the distribution, and every critic beside it, is computed from: the
    observation itself, or what a recurrent policy has made of all observations so far.

    Args:
        spec: of the environment.
    """

    @property
    def num_features(self) -> int:
        """Size of the features."""
        return self.spec.obs_size

    def encode(self, obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Features (time, env, num_features), and the memories after each step (time, env, ·).

        Args:
            obs: (time, env, obs_size).
            start: (time, env), bool; the memory is forgotten before such a step.
            memory: (env, memory_size), before the first step.
        """
        return obs, memory.expand(*obs.shape[:-1], self.memory_size)

    @abc.abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """The distribution at features of shape (..., num_features)."""

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """A sample, or the mode."""
        features = obs
        if self.is_recurrent:
            encoded, memories = self.encode(obs[None], start[None], memory)
            features, memory = encoded[0], memories[0]
        distribution = self.forward(features)  # without what a module's call costs
        action = distribution.mode if deterministic else distribution.sample(generator)
        return action, memory

    def encode_transitions(self, steps: Transitions) -> tuple[Tensor, Tensor]:
        """Features of ``obs`` and of ``next_obs``, each (..., num_features).

        Args:
            steps: of any shape; (time, env) for a recurrent policy: memories run along time from
                ``steps.memory[0]``, and every ``next_obs`` is seen from the memory after its own
                step, also at a truncation.
        """
        if not self.is_recurrent:
            return steps.obs, steps.next_obs
        features, memories = self.encode(steps.obs, steps.start, steps.memory[0])
        count = memories[..., 0].numel()
        following, _ = self.encode(
            steps.next_obs.reshape(1, count, -1),
            torch.zeros(1, count, dtype=torch.bool, device=memories.device),
            memories.reshape(count, -1),
        )
        return features, following.reshape(*steps.shape, -1)

    def cloning_loss(
        self,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Negative log-likelihood, the mean over the valid steps of each window."""
        memory = self.initial_memory(len(obs)).to(obs.device)
        start = torch.zeros_like(valid).transpose(0, 1)
        features, _ = self.encode(obs.transpose(0, 1), start, memory)
        loss: Tensor = -self(features).log_prob(action.transpose(0, 1)).transpose(0, 1)
        mean: Tensor = (loss * valid).sum(1) / valid.sum(1)
        return mean


@torch.no_grad()
def has_density(policy: StochasticPolicy) -> bool:
    """Whether its actions have a log-probability."""
    weight = next(policy.parameters(), torch.zeros(()))
    distribution: Distribution = policy(weight.new_zeros(1, policy.num_features))
    return distribution.has_density
