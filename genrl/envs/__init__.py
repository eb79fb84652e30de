"""Environments: gymnasium construction, wrappers, seeding."""

from genrl.envs.base import EnvironmentSource, environments

__all__ = ["EnvironmentSource", "environments"]
