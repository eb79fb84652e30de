"""Environments of gymnasium, by id, with the usual wrappers and vector back-ends.

``sync`` steps the environments one after another, bit for bit reproducible and resumable;
``async`` gives each a process, for environments that take long; ``envpool`` steps compiled copies
of them in threads, with random numbers of its own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import gymnasium
from gymnasium import spaces, wrappers
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.wrappers import vector as vector_wrappers

from genrl.envs.absorbing_states import AbsorbingStates
from genrl.envs.base import EnvironmentSource, environments
from genrl.envs.envpool import EnvPool
from genrl.envs.ids import require_id
from genrl.envs.sync import QuietSyncVectorEnv
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

AnyEnv = gymnasium.Env[Any, Any]


@environments.register("gymnasium")
class Gymnasium(EnvironmentSource):
    """Any environment that gymnasium knows by id.

    Args:
        id: as in ``gymnasium.make``, such as Hopper-v5; ``module:id`` imports the module first.
        num_envs: how many are stepped at once, at least 1.
        backend: sync (reproducible, resumable), async (a process each) or envpool (compiled).
        max_episode_steps: time limit; null: the environment's own.
        frame_stack: how many last observations make one, at least 1.
        flatten: whether other observations than vectors are made vectors; integers become one-hot.
        rescale_actions: whether continuous actions lie in [-1, 1].
        absorbing_states: whether a termination leads to an absorbing state; for imitation.
        kwargs: further arguments of the environment: +env.kwargs.healthy_reward=0.

    Raises:
        ConfigurationError: if gymnasium knows no such id, the environment cannot be made, or its
            spaces do not fit.
    """

    def __init__(
        self,
        *,
        id: str,
        num_envs: int = 1,
        backend: Literal["sync", "async", "envpool"] = "sync",
        max_episode_steps: int | None = None,
        frame_stack: int = 1,
        flatten: bool = True,
        rescale_actions: bool = False,
        absorbing_states: bool = False,
        kwargs: dict[str, Any] = {},  # noqa: B006  (copied; Hydra cannot fill a null)
    ) -> None:
        for label, number in (
            ("num_envs", num_envs),
            ("frame_stack", frame_stack),
            ("max_episode_steps", 1 if max_episode_steps is None else max_episode_steps),
        ):
            if number < 1:
                raise ConfigurationError(f"{label} must be at least 1, not {number}")
        require_id(id)
        self.id, self.num_envs, self.backend = id, num_envs, backend
        self.max_episode_steps = max_episode_steps
        self.frame_stack, self.flatten = frame_stack, flatten
        self.rescale_actions, self.absorbing_states = rescale_actions, absorbing_states
        self.kwargs = dict(kwargs)
        env = self.make()
        limit = env.spec.max_episode_steps if env.spec is not None else max_episode_steps
        self._spec = EnvSpec.of(id, env.observation_space, env.action_space, limit)
        env.close()

    @property
    def spec(self) -> EnvSpec:
        """Of one environment, wrappers included."""
        return self._spec

    def make(self, *, render_mode: str | None = None) -> AnyEnv:
        """One environment.

        Raises:
            ConfigurationError: if gymnasium cannot make it.
        """
        env = self._bare(render_mode)
        if self.rescale_actions:
            env = _rescaled(self.id, env)
        if self.flatten and not _is_vector(env.observation_space):
            env = wrappers.FlattenObservation(env)
        if self.frame_stack > 1:
            env = wrappers.FrameStackObservation(env, self.frame_stack)
            env = wrappers.FlattenObservation(env)
        return AbsorbingStates(env) if self.absorbing_states else env

    def make_vector(self, num_envs: int | None = None) -> VectorEnv:
        """Several at once with the chosen back-end; as many as configured where None.

        Infos of ``sync`` hold ``final_obs`` alone.
        """
        count = self.num_envs if num_envs is None else num_envs
        if self.backend == "envpool":
            return self._pool(count)
        makers: list[Callable[[], AnyEnv]] = [partial(self.make) for _ in range(count)]
        vector = QuietSyncVectorEnv if self.backend == "sync" else AsyncVectorEnv
        return vector(makers, autoreset_mode=AutoresetMode.SAME_STEP)

    def _pool(self, count: int) -> VectorEnv:
        for label, is_asked in (
            ("absorbing_states", self.absorbing_states),
            ("frame_stack", self.frame_stack > 1),
        ):
            if is_asked:
                raise ConfigurationError(
                    f"env.backend=envpool has no {label}: choose env.backend=sync or async"
                )
        pool = EnvPool(self.id, count, self._spec.max_episode_steps, self.kwargs)
        space = pool.single_observation_space
        if space.shape != (self._spec.obs_size,):
            raise ConfigurationError(
                f"EnvPool's observations of {self.id} are {space}, not vectors of "
                f"{self._spec.obs_size} numbers: choose env.backend=sync or async"
            )
        return vector_wrappers.RescaleAction(pool, -1.0, 1.0) if self.rescale_actions else pool

    def _bare(self, render_mode: str | None) -> AnyEnv:
        shown = {} if render_mode is None else {"render_mode": render_mode}
        try:
            return gymnasium.make(
                self.id,
                max_episode_steps=self.max_episode_steps,
                disable_env_checker=True,  # a layer that only looks at the first step
                **shown,
                **self.kwargs,
            )
        except (ImportError, TypeError, ValueError, gymnasium.error.Error) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"{self.id} cannot be made: {reason}") from error


def _is_vector(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def _rescaled(env_id: str, env: AnyEnv) -> AnyEnv:
    space = env.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        raise ConfigurationError(
            f"actions of {env_id} are {space}; only vectors with finite bounds can be rescaled: "
            "set env.rescale_actions=false"
        )
    one = space.dtype.type(1)
    return wrappers.RescaleAction(env, -one, one)
