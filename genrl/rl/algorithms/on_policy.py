"""What on-policy algorithms share: collect a rollout, relabel it, estimate advantages, learn."""

import abc
from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Algorithm, Choice, Parts
from genrl.rl.critics.base import ValueCritic
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import StochasticPolicy, has_density
from genrl.rl.rewards import Metrics
from genrl.rl.rollout import Rollout
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions


@dataclass(frozen=True)
class OnPolicyBatch:
    """A rollout, ready to learn from.

    Memoryless policies get flat fields, (batch, ...), dead transitions left out; policies with a
    memory get (time, env, ...) and ``valid``.

    Args:
        steps: normalized observations and the rewards in force.
        features: of ``steps.obs`` under the policy that acted, without gradient.
        advantages: not normalized.
        returns: targets of the value function.
        values: V(obs) of the critic before learning.
        log_prob: of the actions under the policy that acted.
        valid: bool; False for dead transitions.
        standard: normalized advantages, where the batch is a part of the one that they are
            normalized over; None where they are still to be normalized.
    """

    steps: Transitions
    features: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor
    log_prob: Tensor
    valid: Tensor
    standard: Tensor | None = None


class OnPolicyAlgorithm(Algorithm):
    """Collects with the current policy and learns from that alone.

    Args:
        parts: needs a policy with a distribution, a value critic and an advantage estimator.
        num_steps: of each environment in an iteration.

    Raises:
        ConfigurationError: if a part is missing or of the wrong kind.
    """

    policy: StochasticPolicy

    def __init__(self, parts: Parts, num_steps: int) -> None:
        super().__init__(parts)
        if not isinstance(parts.policy, StochasticPolicy) or not has_density(parts.policy):
            raise ConfigurationError(
                f"{type(self).__name__} needs a policy with a density, not "
                f"{type(parts.policy).__name__}: take policy=gaussian, categorical or recurrent"
            )
        if not isinstance(parts.critic, ValueCritic):
            raise ConfigurationError(
                f"{type(self).__name__} needs a critic of state values: give critic=value"
            )
        if parts.advantage is None:
            raise ConfigurationError(f"{type(self).__name__} needs advantage=gae, or another one")
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {num_steps}")
        self.critic = parts.critic
        self.advantage = parts.advantage
        self.num_steps = num_steps

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """A Gaussian or categorical policy, a value critic and GAE."""
        return {
            "policy": {"name": "categorical" if spec.is_discrete else "gaussian"},
            "critic": {"name": "value"},
            "advantage": {"name": "gae"},
        }

    @property
    def steps_per_iteration(self) -> int:
        """Of each environment."""
        return self.num_steps

    def iterate(self, interaction: Interaction) -> Metrics:
        """A rollout, then `update` on it."""
        rollout = interaction.collect(self.policy, self.num_steps)
        metrics = interaction.learn_reward()
        batch = self.prepare(rollout, interaction.relabel(rollout.steps))
        return {**metrics, **self.update(batch, interaction)}

    @torch.no_grad()
    def prepare(self, rollout: Rollout, steps: Transitions) -> OnPolicyBatch:
        """Values, advantages and log-probabilities of a rollout.

        Args:
            rollout: as collected.
            steps: the same, (time, env), with normalized observations and the rewards in force.
        """
        features, following = self.policy.encode_transitions(steps)
        values = self.critic(features)
        next_values = torch.cat([values[1:], values[:1]])
        # Only where the next row is another episode, or none, V(s') is not V of the next row.
        broken = steps.done.clone()
        broken[-1] = True
        next_values[broken] = self.critic(following[broken])
        log_prob = self.policy(features).log_prob(steps.action)
        advantages, returns = self.advantage(
            steps.reward, values, next_values, steps.terminated, steps.truncated, self.gamma
        )
        batch = OnPolicyBatch(steps, features, advantages, returns, values, log_prob, rollout.valid)
        return batch if self.policy.is_recurrent else _flat(batch)

    @abc.abstractmethod
    def update(self, batch: OnPolicyBatch, interaction: Interaction) -> Metrics:
        """Learn from a prepared rollout."""


def _flat(batch: OnPolicyBatch) -> OnPolicyBatch:
    valid = batch.valid.flatten()
    is_whole = bool(valid.all())

    def flat(field: Tensor) -> Tensor:
        joined = field.flatten(0, 1)
        return joined if is_whole else joined[valid]

    return OnPolicyBatch(
        batch.steps.map(flat),
        flat(batch.features),
        flat(batch.advantages),
        flat(batch.returns),
        flat(batch.values),
        flat(batch.log_prob),
        flat(batch.valid),
    )


def normalized(advantages: Tensor) -> Tensor:
    """Advantages with mean 0 and standard deviation 1; one alone stays as it is."""
    if advantages.numel() < 2:
        return advantages
    std, mean = torch.std_mean(advantages)
    return (advantages - mean) / (std + 1e-8)
