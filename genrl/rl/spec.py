"""What policies, critics and rewards must know of an environment."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from genrl.registry import ConfigurationError


@dataclass(frozen=True)
class EnvSpec:
    """Sizes and bounds of an environment's observations and actions.

    Observations are vectors of floats. A continuous action is a vector within ``low`` and ``high``
    (which may be infinite); a discrete one is an integer in [0, action_size).

    Args:
        env_id: as gymnasium knows it.
        obs_size: numbers in an observation.
        action_size: numbers in a continuous action, or number of discrete ones.
        is_discrete: whether actions are integers.
        low: smallest value of each number of a continuous action.
        high: greatest value of each.
        max_episode_steps: time limit; None where there is none.
    """

    env_id: str
    obs_size: int
    action_size: int
    is_discrete: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    max_episode_steps: int | None = None

    @classmethod
    def of(
        cls,
        env_id: str,
        observation_space: gymnasium.Space[object],
        action_space: gymnasium.Space[object],
        max_episode_steps: int | None = None,
    ) -> "EnvSpec":
        """The spec of a single environment's spaces.

        Raises:
            ConfigurationError: if observations are no vectors, or actions neither vectors nor
                integers from 0.
        """
        if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
            raise ConfigurationError(
                f"observations of {env_id} are {observation_space}, not a vector of numbers: "
                "flatten them first (env.flatten=true)"
            )
        size = observation_space.shape[0]
        if isinstance(action_space, spaces.Discrete) and action_space.start == 0:
            return cls(env_id, size, int(action_space.n), True, (), (), max_episode_steps)
        if not isinstance(action_space, spaces.Box) or len(action_space.shape) != 1:
            raise ConfigurationError(
                f"actions of {env_id} are {action_space}; only vectors of numbers and integers "
                "from 0 are supported"
            )
        low, high = (tuple(map(float, end)) for end in (action_space.low, action_space.high))
        return cls(env_id, size, len(low), False, low, high, max_episode_steps)

    @property
    def is_bounded(self) -> bool:
        """Whether every number of a continuous action has finite bounds."""
        return not self.is_discrete and bool(np.isfinite([*self.low, *self.high]).all())

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Of one action as a tensor."""
        return () if self.is_discrete else (self.action_size,)

    def encode_action(self, action: Tensor) -> Tensor:
        """Actions as floats of shape (..., action_size): one-hot where they are integers."""
        if not self.is_discrete:
            return action
        return torch.nn.functional.one_hot(action.long(), self.action_size).float()

    def executable(self, action: Tensor) -> NDArray[Any]:
        """Actions as the environment takes them: clipped to its bounds."""
        if self.is_discrete:
            return action.numpy()
        # np.clip takes three times as long for so few numbers.
        clipped: NDArray[Any] = np.minimum(np.maximum(action.numpy(), self._low), self._high)
        return clipped

    def clip(self, action: Tensor) -> Tensor:
        """Continuous actions within the bounds; others as they are."""
        if self.is_discrete:
            return action
        low, high = self._bounds
        return action.clamp(low.to(action), high.to(action))

    @cached_property
    def _bounds(self) -> tuple[Tensor, Tensor]:
        low, high = torch.tensor([self.low, self.high], dtype=torch.float64)
        return low, high

    @cached_property
    def _low(self) -> NDArray[np.float32]:
        return np.asarray(self.low, dtype=np.float32)

    @cached_property
    def _high(self) -> NDArray[np.float32]:
        return np.asarray(self.high, dtype=np.float32)
