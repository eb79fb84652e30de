"""Do what you see: the smallest task that an algorithm must learn.

The observation is drawn anew in every step and says which action is right. Nothing depends on what
was done before, so that any discount and any horizon give the same optimal policy.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class IdentityEnv(gymnasium.Env[Any, Any]):
    """Observes one of ``size`` symbols one-hot; reward 1 for the action of its number, else 0.

    Args:
        size: number of symbols and actions, at least 2.
    """

    def __init__(self, size: int = 2) -> None:
        self.size, self.symbol = size, 0
        self.observation_space = spaces.Box(0, 1, (size,), np.float32)
        self.action_space = spaces.Discrete(size)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a symbol."""
        super().reset(seed=seed)
        return self._draw(), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Compare, then draw the next symbol."""
        reward = float(int(action) == self.symbol)
        return self._draw(), reward, False, False, {}

    def _draw(self) -> NDArray[np.float32]:
        self.symbol = int(self.np_random.integers(self.size))
        observation: NDArray[np.float32] = np.eye(self.size, dtype=np.float32)[self.symbol]
        return observation


class IdentityBoxEnv(gymnasium.Env[Any, Any]):
    """Observes a point of [-1, 1]^size; reward 1 - the mean distance of its numbers to the action.

    Args:
        size: numbers of observation and action, at least 1.
    """

    def __init__(self, size: int = 1) -> None:
        self.point = np.zeros(size, dtype=np.float32)
        self.observation_space = spaces.Box(-1, 1, (size,), np.float32)
        self.action_space = spaces.Box(-1, 1, (size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a point."""
        super().reset(seed=seed)
        return self._draw(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Compare, then draw the next point."""
        reward = 1.0 - float(np.abs(np.asarray(action) - self.point).mean())
        return self._draw(), reward, False, False, {}

    def _draw(self) -> NDArray[np.float32]:
        self.point = self.np_random.uniform(-1, 1, self.point.shape).astype(np.float32)
        return self.point.copy()
