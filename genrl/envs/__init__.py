"""Environments: gymnasium construction, wrappers, seeding, state."""

from genrl.envs.absorbing_states import AbsorbingStates
from genrl.envs.base import EnvironmentSource, environments
from genrl.envs.envpool import EnvPool
from genrl.envs.gymnasium import Gymnasium
from genrl.envs.sharded import ShardedEnvironments
from genrl.envs.state import capture, is_restorable, restore

__all__ = [
    "AbsorbingStates",
    "EnvPool",
    "EnvironmentSource",
    "Gymnasium",
    "ShardedEnvironments",
    "capture",
    "environments",
    "is_restorable",
    "restore",
]
