"""Demonstrations: whole episodes of an expert."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.registry import ConfigurationError, Registry
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions

demonstration_sources: Registry["DemonstrationSource"] = Registry("demonstrations")


@dataclass(frozen=True)
class Demonstration:
    """One episode.

    Args:
        obs: (steps + 1, obs_size), float32; the last one is what the last action led to.
        action: (steps, ...), as executed.
        reward: (steps,); of the environment, only reported.
        terminated: whether the task ended with the last step; otherwise the record was cut.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    terminated: bool

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of one expert in one environment.

    Args:
        episodes: at least one.
        source: where they come from, for messages.
    """

    episodes: Sequence[Demonstration]
    source: str

    @property
    def returns(self) -> list[float]:
        """Sum of rewards of each episode."""
        return [float(episode.reward.sum()) for episode in self.episodes]

    def transitions(self) -> Transitions:
        """All steps as one batch, (steps,)."""
        parts = []
        for episode in self.episodes:
            terminated = torch.zeros(len(episode), dtype=torch.bool)
            truncated = terminated.clone()
            (terminated if episode.terminated else truncated)[-1] = True
            parts.append(
                simple_transitions(
                    episode.obs[:-1],
                    episode.action,
                    episode.obs[1:],
                    reward=episode.reward,
                    terminated=terminated,
                    truncated=truncated,
                )
            )
        return Transitions.cat(parts)

    def check(self, spec: EnvSpec) -> None:
        """Check that they fit an environment.

        Raises:
            ConfigurationError: if sizes or kinds of numbers differ, a discrete action is out of
                range, or a number is NaN or infinite.
        """
        for number, episode in enumerate(self.episodes):
            where = f"{self.source}, episode {number}"
            shape = tuple(episode.action.shape[1:])
            if episode.obs.shape[1] != spec.obs_size or shape != spec.action_shape:
                raise ConfigurationError(
                    f"{where}: observations of {episode.obs.shape[1]} numbers and actions of shape "
                    f"{shape}, but {spec.env_id} has {spec.obs_size} and {spec.action_shape}: "
                    "these are demonstrations of another environment"
                )
            if spec.is_discrete == episode.action.is_floating_point():
                raise ConfigurationError(
                    f"{where}: actions are {episode.action.dtype}, but those of {spec.env_id} are "
                    f"{'integers' if spec.is_discrete else 'vectors of numbers'}"
                )
            if spec.is_discrete and not _is_within(episode.action, spec.action_size):
                raise ConfigurationError(
                    f"{where}: actions are not all in 0 to {spec.action_size - 1}, those of "
                    f"{spec.env_id}"
                )
            for name in ("obs", "action", "reward"):
                values = getattr(episode, name)
                if values.is_floating_point() and not bool(torch.isfinite(values).all()):
                    raise ConfigurationError(f"{where}: {name} holds NaN or infinite numbers")


def _is_within(action: Tensor, size: int) -> bool:
    return bool(((action >= 0) & (action < size)).all())


class DemonstrationSource(abc.ABC):
    """Reads demonstrations for an environment.

    Args:
        spec: of the environment.
    """

    def __init__(self, spec: EnvSpec) -> None:
        self.spec = spec

    @abc.abstractmethod
    def load(self) -> Demonstrations:
        """The episodes, checked.

        Raises:
            ConfigurationError: if they are missing, damaged, or of another environment.
        """
