"""The contract of an environment source: it makes vector environments of one task."""

import abc
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from genrl.registry import Registry
from genrl.rl.spec import EnvSpec

environments: Registry["EnvironmentSource"] = Registry("env")


class EnvironmentSource(abc.ABC):
    """Makes environments of one task, all wrapped alike."""

    num_envs: int

    @property
    @abc.abstractmethod
    def spec(self) -> EnvSpec:
        """Of one environment, wrappers included."""

    @abc.abstractmethod
    def make(self, *, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """One environment."""

    @abc.abstractmethod
    def make_vector(self, num_envs: int | None = None) -> VectorEnv:
        """Several at once with the chosen back-end; as many as configured where None."""
