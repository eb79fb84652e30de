"""gymnasium's vector environment of one process, without what tasks say about every step.

Merging a MuJoCo task's positions, velocities and parts of the reward into arrays takes a third as
long as the simulation itself, and no algorithm reads them; joining and copying a single observation
takes a sixth.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class QuietSyncVectorEnv(SyncVectorEnv):
    """Steps environments with vectors of numbers one after another; infos hold ``final_obs`` alone.

    Args and modes are those of gymnasium's `SyncVectorEnv`.
    """

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """What gymnasium's own returns, ``final_obs`` apart from the infos."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return super().step(actions)
        seen: list[Any] = []
        infos: dict[str, Any] = {}
        reward = np.empty(self.num_envs)
        terminated, truncated = np.empty((2, self.num_envs), dtype=np.bool_)
        for i, env in enumerate(self.envs):
            obs, reward[i], ended, cut, _ = env.step(actions[i])
            terminated[i], truncated[i] = ended, cut
            if ended or cut:
                infos = self._add_info(infos, {"final_obs": obs}, i)
                obs, _ = env.reset()
            seen.append(obs)
        obs = np.array(seen, dtype=self.single_observation_space.dtype)
        return obs, reward, terminated, truncated, infos

    def _add_info(
        self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int
    ) -> dict[str, Any]:
        if "final_obs" not in env_info:
            return vector_infos
        return super()._add_info(vector_infos, {"final_obs": env_info["final_obs"]}, env_num)
