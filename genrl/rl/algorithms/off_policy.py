"""What off-policy algorithms share: act, remember, learn from what is drawn from the memory."""

import abc
import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from genrl import processes
from genrl.diffusion.noise import BatchGenerator, SharedGenerator
from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Algorithm, Parts
from genrl.rl.buffers.base import Buffer
from genrl.rl.critics.base import QCritic
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy, StochasticPolicy
from genrl.rl.rewards import Metrics
from genrl.rl.rollout import Rollout
from genrl.rl.spec import EnvSpec


@dataclass(frozen=True)
class Replay:
    """A batch to learn from; every field has the batch first.

    Args:
        features: of the observations, with gradient into a policy that has a memory.
        next_features: of the next observations.
        action: encoded as critics take it.
        reward: in force.
        discount: on what follows; 0 where the task terminated.
        weight: of the example.
    """

    features: Tensor
    next_features: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Schedule:
    """When an off-policy algorithm acts and learns.

    Args:
        batch_size: examples in an update.
        learning_starts: transitions taken at random before the first update.
        train_every: steps of each environment between two rounds of updates.
        updates_per_step: gradient updates for each step of an environment.
        iteration_steps: steps of each environment in an iteration; a multiple of ``train_every``.
        sequence_length: steps in an example for policies with a memory.

    Raises:
        ValueError: if a number is out of range.
    """

    batch_size: int
    learning_starts: int
    train_every: int
    updates_per_step: float
    iteration_steps: int
    sequence_length: int

    def __post_init__(self) -> None:
        least = (self.batch_size, self.train_every, self.sequence_length, self.learning_starts)
        if min(least) < 1 or self.updates_per_step <= 0:
            raise ValueError(
                "batch_size, learning_starts, train_every and sequence_length must be at least 1 "
                f"and updates_per_step positive, not {least} and {self.updates_per_step}"
            )
        if self.iteration_steps < 1 or self.iteration_steps % self.train_every:
            raise ValueError(
                f"iteration_steps={self.iteration_steps} is no multiple of "
                f"train_every={self.train_every}"
            )


def require_continuous_actions(spec: EnvSpec, algorithm: str) -> None:
    """Refuse discrete actions, which no action value takes a gradient to.

    Raises:
        ConfigurationError: if they are.
    """
    if spec.is_discrete:
        raise ConfigurationError(
            f"algorithm '{algorithm}' needs continuous actions, but those of {spec.env_id} are "
            f"{spec.action_size} discrete ones: take algorithm=ppo"
        )


class OffPolicyAlgorithm(Algorithm):
    """Learns from a replay buffer.

    Several processes hold the same buffer and draw the same batch. Each learns from its part, with
    its part of the batch's random numbers, and they take the mean of their gradients.

    Args:
        parts: needs a critic of action values and a buffer.
        schedule: when it acts and learns.

    Raises:
        ConfigurationError: if a part is missing or of the wrong kind.
    """

    policy: StochasticPolicy
    critic: QCritic
    target_critic: QCritic

    def __init__(self, parts: Parts, schedule: Schedule) -> None:
        super().__init__(parts)
        title = type(self).__name__
        if not isinstance(parts.policy, StochasticPolicy):
            raise ConfigurationError(
                f"{title} cannot improve a {type(parts.policy).__name__}: "
                "take tanh_gaussian, deterministic or recurrent"
            )
        if not isinstance(parts.critic, QCritic):
            raise ConfigurationError(
                f"{title} needs a critic of action values: give critic=twin_q, or ensemble_q"
            )
        if parts.buffer is None:
            raise ConfigurationError(f"{title} needs buffer=replay, or another one")
        self.critic = parts.critic
        self.target_critic = copy.deepcopy(parts.critic).requires_grad_(False)
        self.target_critic_weights = list(self.target_critic.parameters())
        self.buffer = parts.buffer
        self.schedule = schedule
        self._drawn = torch.empty(0, dtype=torch.int64)
        self._is_divided = False

    @property
    def steps_per_iteration(self) -> int:
        """Of each environment."""
        return self.schedule.iteration_steps

    @property
    def explorer(self) -> Policy:
        """What acts in the environment while learning."""
        return self.policy

    def iterate(self, interaction: Interaction) -> Metrics:
        """Rounds of acting and learning; the reward source learns at the end."""
        schedule = self.schedule
        sums: dict[str, float] = {}
        count, due = 0, 0.0
        for _ in range(schedule.iteration_steps // schedule.train_every):
            rollout = self._step(interaction)
            self.buffer.add(rollout.steps, rollout.valid)
            if len(self.buffer) < max(schedule.learning_starts, schedule.sequence_length):
                continue
            due += rollout.num_steps * schedule.updates_per_step
            while due >= 1:
                due -= 1
                for name, value in self.update(self.draw(interaction), interaction).items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
        interaction.gradient_steps += count
        metrics = interaction.learn_reward()
        means = {name: total / count for name, total in sums.items()}
        return {**metrics, **processes.mean_of_numbers(means)}

    def _step(self, interaction: Interaction) -> Rollout:
        steps = self.schedule.train_every
        if len(self.buffer) < self.schedule.learning_starts:
            return interaction.collect_random(steps)
        return interaction.collect(self.explorer, steps)

    def draw(self, interaction: Interaction) -> Replay:
        """This process' part of a batch with the rewards in force and normalized observations."""
        batch = self._draw(interaction)
        self._is_divided = processes.are_several() and processes.is_divisible(len(batch.reward))
        if not self._is_divided:
            return batch
        return Replay(**{key: processes.part_of(field) for key, field in vars(batch).items()})

    def numbers(self, interaction: Interaction) -> BatchGenerator:
        """Where random numbers for the examples that `draw` gave come from."""
        if not self._is_divided:
            return interaction.generator
        return SharedGenerator(interaction.generator, processes.rank(), processes.world_size())

    def _draw(self, interaction: Interaction) -> Replay:
        schedule = self.schedule
        length = schedule.sequence_length if self.policy.is_recurrent else 1
        sample = self.buffer.sample(
            schedule.batch_size,
            self.gamma,
            interaction.generator,
            interaction.reward.reward,
            length,
        )
        self._drawn = sample.index
        steps, discount, weight = sample.steps, sample.discount, sample.weight
        scaled = replace(steps, reward=interaction.scaler(steps.reward))
        mixed = interaction.reward.mix(scaled, interaction.generator)
        if len(mixed) > len(steps):
            # What was joined are single steps.
            joined = mixed[len(steps) :]
            discount = torch.cat([discount, self.gamma * (~joined.terminated).float()])
            weight = torch.cat([weight, torch.ones(len(joined))])
        steps = interaction.normalizer.steps(mixed)
        action = self.spec.encode_action(self.spec.clip(steps.action))
        if not self.policy.is_recurrent:
            features, following = self.policy.encode_transitions(steps)
            return Replay(features, following, action, steps.reward, discount, weight)
        if length == 1:  # single examples are sequences of one step, not one sequence
            features, following = self.policy.encode_transitions(steps.map(lambda f: f[None]))
            return Replay(features[0], following[0], action, steps.reward, discount, weight)
        features, following = self.policy.encode_transitions(steps)
        return Replay(
            features.flatten(0, 1),
            following.flatten(0, 1),
            action.flatten(0, 1),
            steps.reward.flatten(),
            discount.flatten(),
            weight.repeat(length),
        )

    @abc.abstractmethod
    def update(self, batch: Replay, interaction: Interaction) -> Metrics:
        """One gradient update of every network."""

    def tell(self, errors: Tensor) -> None:
        """Hand the absolute TD errors of the drawn examples to a prioritized buffer."""
        if type(self.buffer).update_priorities is Buffer.update_priorities:
            return
        if self._is_divided:
            errors = processes.gather(errors)
        count = len(self._drawn)
        length = self.schedule.sequence_length if self.policy.is_recurrent else 1
        own = errors[: length * count].view(length, count)
        self.buffer.update_priorities(self._drawn, own.mean(0))

    def training_state(self) -> dict[str, Any]:
        """Weights, optimizers and the buffer."""
        return {**super().training_state(), "buffer": self.buffer.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Inverse of `training_state`."""
        super().load_training_state(state)
        self.buffer.load_state_dict(state["buffer"])


@torch.no_grad()
def follow(target: Sequence[Tensor], online: Sequence[Tensor], rate: float) -> None:
    """θ̄ ← θ̄ + rate (θ - θ̄) for every parameter."""
    torch._foreach_lerp_(list(target), list(online), rate)


@contextlib.contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Gradients pass through a module, but its own parameters get none (and cost nothing)."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
