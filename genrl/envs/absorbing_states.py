"""Absorbing states: what follows a termination becomes a state that the learner can value.

A learned reward that is positive everywhere pays for staying alive, a negative one for dying: an
episode that simply ends has the value 0, whatever the reward's sign. With absorbing states a
terminal observation is replaced by the state s_a = (0, ..., 0, 1), from which every action leads
back to s_a. Its value R(s_a, ·) / (1 - γ) is learned like any other, from

    s -> s_a                 the transition that terminated, now not terminated
    s_a -> s_a, truncated    the self-loop: it bootstraps through its truncation

A time limit is no termination and adds nothing.

Kostrikov et al. 2019, Discriminator-Actor-Critic, section 4.2.
"""

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from genrl.registry import ConfigurationError

Observation = NDArray[Any]


class AbsorbingStates(gymnasium.Wrapper[Observation, Any, Observation, Any], RecordConstructorArgs):
    """(s, 0) while the task goes on, (0, ..., 0, 1) once it has terminated; one more step then.

    Args:
        env: environment whose observations are vectors.

    Raises:
        ConfigurationError: if they are not.
    """

    def __init__(self, env: gymnasium.Env[Observation, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ConfigurationError(
                f"absorbing states need observations that are vectors, not {space}: "
                "flatten them first (env.flatten=true)"
            )
        dtype = space.dtype.type
        self.observation_space = spaces.Box(
            np.append(np.minimum(space.low, 0), 0).astype(dtype),
            np.append(np.maximum(space.high, 0), 1).astype(dtype),
            dtype=dtype,
        )
        self._absorbing = np.zeros(space.shape[0] + 1, dtype=dtype)
        self._absorbing[-1] = 1
        self._is_absorbed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode."""
        self._is_absorbed = False
        obs, info = self.env.reset(seed=seed, options=options)
        return self._alive(obs), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """A step of the environment, or of the self-loop of the absorbing state."""
        if self._is_absorbed:
            return self._absorbing.copy(), 0.0, False, True, {}
        obs, reward, terminated, truncated, info = self.env.step(action)
        if terminated:
            self._is_absorbed = True
            return self._absorbing.copy(), reward, False, False, info
        return self._alive(obs), reward, False, truncated, info

    def _alive(self, obs: Observation) -> Observation:
        return np.append(obs, self._absorbing.dtype.type(0))
