"""Environments: gymnasium construction, wrappers, seeding."""

from genrl.envs.absorbing_states import AbsorbingStates
from genrl.envs.base import EnvironmentSource, environments
from genrl.envs.gymnasium import Gymnasium

__all__ = ["AbsorbingStates", "EnvironmentSource", "Gymnasium", "environments"]
