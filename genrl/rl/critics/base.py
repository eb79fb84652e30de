"""The contracts of critics: state values, and action values with their own backups."""

import abc

from torch import Tensor, nn

from genrl.registry import Registry
from genrl.rl.spec import EnvSpec

critics: Registry["Critic"] = Registry("critic")


class Critic(nn.Module, abc.ABC):
    """Estimates a discounted return.

    Args:
        spec: of the environment.
        num_features: size of the policy's features, its input.
    """

    def __init__(self, spec: EnvSpec, num_features: int) -> None:
        super().__init__()
        self.spec, self.num_features = spec, num_features


class ValueCritic(Critic):
    """V(s)."""

    @abc.abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Values of shape (...) at features of shape (..., num_features)."""


class QCritic(Critic):
    """Q(s, a), with one or more members."""

    @abc.abstractmethod
    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """Expected returns, (members, batch).

        Args:
            features: (batch, num_features).
            action: (batch, action_size); one-hot where actions are discrete.
        """

    def first(self, features: Tensor, action: Tensor) -> Tensor:
        """The estimate of the first member, (batch,), where the others' are not needed."""
        value: Tensor = self(features, action)[0]
        return value

    def lower(self, features: Tensor, action: Tensor) -> Tensor:
        """The pessimistic estimate that policies are improved by: the least member, (batch,)."""
        values: Tensor = self(features, action)
        return values[0] if len(values) == 1 else values.amin(0)

    @abc.abstractmethod
    def target(
        self,
        next_features: Tensor,
        next_action: Tensor,
        reward: Tensor,
        discount: Tensor,
        bonus: Tensor,
    ) -> Tensor:
        """What another critic of the same class learns: the backup through *this* critic.

        r + discount · (Q(s', a') + bonus), as a number for each example or as a distribution.
        Called without gradient on the target network.

        Args:
            next_features: (batch, num_features).
            next_action: (batch, action_size).
            reward: (batch,).
            discount: (batch,); γⁿ, and 0 where the task terminated.
            bonus: (batch,); the entropy bonus -α log π(a' | s').
        """

    @abc.abstractmethod
    def loss(self, features: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each example, summed over the members, and absolute TD errors, both (batch,)."""
