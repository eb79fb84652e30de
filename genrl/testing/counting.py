"""An environment that counts, so that every observation says where it comes from.

Episode e shows 100 e, 100 e + 1, ..., 100 e + length, and ends there: by truncation or by
termination. Each step gives the reward 1. Beside the count stands a number that is drawn at the
episode's start. A transition is real if it counts on by one; an automatic reset that is taken for a
step, or a last observation that was lost, shows at once.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

EPISODE = 100


class CountingEnv(gymnasium.Env[Any, Any]):
    """Observes (count, number drawn at the start); two actions without effect.

    Args:
        length: steps of an episode, from 1 to 99.
        is_terminated: whether episodes end by termination instead of truncation.
    """

    def __init__(self, length: int = 3, is_terminated: bool = False) -> None:
        if not 1 <= length < EPISODE:
            raise ValueError(f"length must be from 1 to {EPISODE - 1}, not {length}")
        self.length, self.is_terminated = length, is_terminated
        self.observation_space = spaces.Box(0, np.inf, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.episode, self.count, self.draw = -1, 0, 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the next episode; with a seed, the first one."""
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.count, self.draw = 0, float(self.np_random.random())
        return self._observation(), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Count on."""
        self.count += 1
        is_over = self.count >= self.length
        terminated, truncated = is_over and self.is_terminated, is_over and not self.is_terminated
        return self._observation(), 1.0, terminated, truncated, {}

    def _observation(self) -> NDArray[np.float32]:
        return np.array([EPISODE * self.episode + self.count, self.draw], dtype=np.float32)
