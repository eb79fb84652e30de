"""The contract of an algorithm: it improves a policy, one iteration at a time."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from genrl.registry import ConfigurationError, Registry
from genrl.rl.advantages.base import AdvantageEstimator
from genrl.rl.algorithms.optimization import Stateful
from genrl.rl.buffers.base import Buffer
from genrl.rl.critics.base import Critic
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec

algorithms: Registry["Algorithm"] = Registry("algorithm")

Choice = dict[str, Any]  # config of a component: name and parameters


@dataclass(frozen=True)
class Parts:
    """The collaborators of an algorithm; those that it does not use may be None.

    Args:
        spec: of the environment.
        policy: to improve.
        critic: of values or of action values.
        advantage: estimator, for on-policy algorithms.
        buffer: for off-policy algorithms.
        gamma: discount in [0, 1].
    """

    spec: EnvSpec
    policy: Policy
    critic: Critic | None = None
    advantage: AdvantageEstimator | None = None
    buffer: Buffer | None = None
    gamma: float = 0.99


class Algorithm(nn.Module, abc.ABC):
    """Improves a policy.

    Args:
        parts: its collaborators.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        if not 0 <= parts.gamma <= 1:
            raise ConfigurationError(f"gamma must lie between 0 and 1, not {parts.gamma}")
        self.spec, self.policy, self.gamma = parts.spec, parts.policy, parts.gamma

    @classmethod
    @abc.abstractmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """The components it takes where the config names none: kind -> config.

        Keys among ``policy``, ``critic``, ``advantage`` and ``buffer``; kinds left out are not
        used.
        """

    @property
    @abc.abstractmethod
    def steps_per_iteration(self) -> int:
        """Steps of each environment in an iteration; 0 where it does not interact."""

    def total_steps(self, num_envs: int) -> int:
        """Steps of all environments together in an iteration."""
        return self.steps_per_iteration * num_envs

    @property
    def num_iterations(self) -> int:
        """Length of a run of an algorithm that takes no steps in the environment.

        Raises:
            NotImplementedError: for all others, whose length follows from the steps wanted.
        """
        raise NotImplementedError(f"{type(self).__name__} is measured in steps")

    @abc.abstractmethod
    def iterate(self, interaction: Interaction) -> Metrics:
        """Collect, then learn.

        Args:
            interaction: environments, rewards, normalizers, random numbers and counters.
        """

    @abc.abstractmethod
    def optimizers(self) -> Sequence[Stateful]:
        """In a fixed order."""

    def training_state(self) -> dict[str, Any]:
        """Weights, optimizers and whatever else the next iteration depends on."""
        return {
            "weights": self.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers()],
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Inverse of `training_state`."""
        self.load_state_dict(state["weights"])
        for optimizer, stored in zip(self.optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
