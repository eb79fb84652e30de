"""EnvPool behind gymnasium's vector interface, in SAME_STEP mode like the other back-ends.

EnvPool steps compiled environments in threads. Left alone it resets in the step after the end, and
reports an episode that terminates in its very last permitted step as truncated only, so that a
learner would bootstrap from a terminal state. Here the time limit is counted outside and ended
environments are reset at once; both flags then mean what they mean in gymnasium. EnvPool draws its
own random numbers: environment i is a function of its seed, but not of gymnasium's.
"""

import warnings
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from genrl.registry import ConfigurationError, suggest

NO_LIMIT = 2**31 - 1


class EnvPool(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """Steps an EnvPool of one task.

    Args:
        env_id: as EnvPool knows it; most are gymnasium's.
        num_envs: at least 1.
        max_episode_steps: time limit, or None.
        kwargs: further settings of the environment.

    Raises:
        ConfigurationError: if EnvPool is not installed, lacks the environment, or refuses a
            setting.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        max_episode_steps: int | None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.env_id, self.num_envs = env_id, num_envs
        self.max_episode_steps = max_episode_steps
        self._kwargs = dict(kwargs or {})
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self._pool = self._made(np.random.default_rng().integers(2**31, size=num_envs).tolist())
        self.single_observation_space: spaces.Space[Any] = self._pool.single_observation_space
        self.single_action_space: spaces.Space[Any] = self._pool.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = None

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin new episodes; EnvPool takes seeds only when it is made, so they make a new one."""
        if isinstance(seed, int):
            seed = [seed + i for i in range(self.num_envs)]
        if seed is not None:
            fresh = np.random.default_rng()
            self._pool.close()
            self._pool = self._made([int(fresh.integers(2**31)) if s is None else s for s in seed])
        self._lengths[:] = 0
        obs, _ = self._pool.reset()
        return obs, {}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[
        NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """Step all; those that end begin anew, their last observation is in the info."""
        obs, reward, terminated, _, _ = self._pool.step(np.asarray(actions))
        reward = reward.astype(np.float64)
        self._lengths += 1
        truncated = self._lengths >= (self.max_episode_steps or NO_LIMIT)
        done = terminated | truncated
        if not done.any():
            return obs, reward, terminated, truncated, {}
        ended = np.flatnonzero(done).astype(np.int32)
        final = np.full(self.num_envs, None, dtype=object)
        for i in ended:
            final[i] = obs[i].copy()
        first, info = self._pool.reset(ended)
        obs = obs.copy()
        obs[info["env_id"]] = first
        self._lengths[ended] = 0
        return obs, reward, terminated, truncated, {"final_obs": final, "_final_obs": done}

    def close_extras(self, **kwargs: Any) -> None:
        """Stop its threads."""
        self._pool.close()

    def _made(self, seeds: list[int]) -> Any:
        try:
            import envpool
        except ImportError as error:
            raise ConfigurationError(
                "env.backend=envpool needs EnvPool: pip install 'genrl[envpool]', "
                "or choose env.backend=sync"
            ) from error
        known = envpool.list_all_envs()
        if self.env_id not in known:
            raise ConfigurationError(
                f"EnvPool has no environment {self.env_id}.{suggest(self.env_id, known)} "
                "Choose env.backend=sync or async for this one"
            )
        settings = {"max_episode_steps": NO_LIMIT, **self._kwargs}
        try:
            pool = envpool.make_gymnasium(
                self.env_id, num_envs=self.num_envs, seed=seeds, **settings
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that float32 holds its bounds less precisely
                _ = pool.observation_space, pool.single_observation_space, pool.single_action_space
            return pool
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(
                f"EnvPool refuses the settings {self._kwargs} of {self.env_id}: {reason}"
            ) from error
