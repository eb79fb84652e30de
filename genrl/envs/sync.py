"""gymnasium's vector environment of one process, without what tasks say about every step.

Merging a MuJoCo task's positions, velocities and parts of the reward into arrays takes a third as
long as the simulation itself, and no algorithm reads them.
"""

from typing import Any

from gymnasium.vector import SyncVectorEnv


class QuietSyncVectorEnv(SyncVectorEnv):
    """Steps environments one after another; infos hold ``final_obs`` alone."""

    def _add_info(
        self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int
    ) -> dict[str, Any]:
        if "final_obs" not in env_info:
            return vector_infos
        return super()._add_info(vector_infos, {"final_obs": env_info["final_obs"]}, env_num)
