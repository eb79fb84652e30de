"""The environments of several processes as one vector environment.

Every process holds a contiguous part of the environments, steps that part, and is told what
happened in all of them: whoever uses the vector environment sees what a single process would see,
environment i with its own seed, and decides the same everywhere. So simulation is divided, and
everything that is computed from its outcome is equal in all processes without further ado.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from genrl import processes
from genrl.envs.base import EnvironmentSource
from genrl.rl.spec import EnvSpec


class ShardedVectorEnv(VectorEnv):
    """Steps its own part of the environments and gathers the outcomes of all.

    Args:
        make: a vector environment of so many.
        num_envs: in all processes together, at least one for each.
    """

    def __init__(self, make: Callable[[int], VectorEnv], num_envs: int) -> None:
        count, rank = processes.world_size(), processes.rank()
        sizes = [num_envs // count + (r < num_envs % count) for r in range(count)]
        self.sizes, self.num_envs = sizes, num_envs
        first = sum(sizes[:rank])
        self.mine = slice(first, first + sizes[rank])
        self.local = make(sizes[rank])
        self.metadata, self.spec = self.local.metadata, self.local.spec
        self.single_observation_space = self.local.single_observation_space
        self.single_action_space = self.local.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin new episodes everywhere; from a single seed, environment i takes seed + i."""
        if isinstance(seed, int):
            seed = [seed + i for i in range(self.num_envs)]
        own: Any = None if seed is None else list(seed)[self.mine]
        obs, _ = self.local.reset(seed=own, options=options)
        return self._gather(obs), {}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[
        NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """Step all, each process its own; infos hold ``final_obs`` alone."""
        obs, reward, terminated, truncated, info = self.local.step(actions[self.mine])
        final = np.zeros_like(obs)
        known: Any = info.get("final_obs")
        if known is not None:
            for i in np.flatnonzero(terminated | truncated):
                final[i] = known[i]
        width = obs.shape[1]
        has_final = np.full(len(obs), known is not None)
        row = np.column_stack([obs, final, reward, terminated, truncated, has_final])
        rows = self._gather(row)
        obs, final = rows[:, :width].astype(obs.dtype), rows[:, width : 2 * width].astype(obs.dtype)
        reward = rows[:, -4]
        terminated, truncated, has_final = (rows[:, k].astype(np.bool_) for k in (-3, -2, -1))
        done = (terminated | truncated) & has_final
        if not done.any():
            return obs, reward, terminated, truncated, {}
        every = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(done):
            every[i] = final[i]
        return obs, reward, terminated, truncated, {"final_obs": every, "_final_obs": done}

    def close_extras(self, **kwargs: Any) -> None:
        """Close this process' part."""
        self.local.close(**kwargs)

    def _gather(self, own: NDArray[Any]) -> NDArray[Any]:
        """Rows of all environments; parts that differ in size are filled up and cut."""
        most = max(self.sizes)
        # In float64, which holds numbers of every other type exactly.
        filled = np.zeros((most, own.shape[1]))
        filled[: len(own)] = own
        every = processes.gather(torch.from_numpy(filled)).numpy().reshape(-1, *filled.shape)
        rows = [part[:size] for part, size in zip(every, self.sizes, strict=True)]
        return np.concatenate(rows).astype(own.dtype)


class ShardedEnvironments(EnvironmentSource):
    """Makes vector environments that the processes share; where they cannot, each has all.

    Args:
        source: of the environments.
    """

    def __init__(self, source: EnvironmentSource) -> None:
        self.source, self.num_envs = source, source.num_envs

    @property
    def spec(self) -> EnvSpec:
        """Of one environment."""
        return self.source.spec

    def make(self, *, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """One environment, of this process alone."""
        return self.source.make(render_mode=render_mode)

    def make_vector(self, num_envs: int | None = None) -> VectorEnv:
        """Several at once; fewer than there are processes are stepped by every one of them."""
        count = self.num_envs if num_envs is None else num_envs
        if count < processes.world_size():
            return self.source.make_vector(count)
        return ShardedVectorEnv(self.source.make_vector, count)
