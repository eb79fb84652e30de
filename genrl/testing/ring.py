"""A ring without an end: what a learner makes of truncation.

Its states follow one another in a circle, each step gives the reward 1. The task never terminates;
a time limit (8 steps in ``genrl/Ring-v0``) only cuts the record. So the value of every state is
1 / (1 - γ): 50 at γ = 0.98. A learner that takes the cut for an end finds the average of what is
left until then instead, 4.2 to 7.5.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class RingEnv(gymnasium.Env[Any, Any]):
    """Observes its state one-hot; two actions without effect.

    Args:
        num_states: at least 1.
    """

    def __init__(self, num_states: int = 4) -> None:
        self.num_states, self.state = num_states, 0
        self.observation_space = spaces.Box(0, 1, (num_states,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin in the first state."""
        super().reset(seed=seed)
        self.state = 0
        return self._observation(), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Go on to the next state."""
        self.state = (self.state + 1) % self.num_states
        return self._observation(), 1.0, False, False, {}

    def _observation(self) -> NDArray[np.float32]:
        observation: NDArray[np.float32] = np.eye(self.num_states, dtype=np.float32)[self.state]
        return observation
