"""What a policy earns in environments of its own.

Each environment runs a share of the episodes that is fixed beforehand. Taking the first episodes
that end anywhere would prefer short ones, and so the policies that fall over.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec

_CHUNK = 32  # steps between two looks at the episodes that ended
_LONGEST = 100_000  # steps of an episode where the environment sets no limit


class Behaviour(Protocol):
    """Acts on observations as environments give them."""

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Actions and memories after them, shaped as in `Policy.act`."""


@dataclass(frozen=True)
class PolicyScores:
    """Undiscounted returns and lengths of episodes, (episodes,), environment by environment."""

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]


def evaluate_policy(
    actor: Behaviour,
    envs: VectorEnv,
    spec: EnvSpec,
    *,
    episodes: int,
    seed: int,
    memory_size: int = 0,
    deterministic: bool = True,
) -> PolicyScores:
    """Run a policy for a number of episodes; the result is a function of the arguments alone.

    Args:
        actor: the policy; nothing of it is changed or restored.
        envs: that nobody else uses; they are reset.
        spec: of one of them.
        episodes: in all, >= 1.
        seed: of the environments (environment i takes seed + i) and of the policy's random numbers.
        memory_size: of the policy.
        deterministic: whether the policy takes its mode.

    Raises:
        ConfigurationError: if no episode is asked for, or one does not end.
    """
    if episodes < 1:
        raise ConfigurationError(f"an evaluation needs at least 1 episode, not {episodes}")
    generator = torch.Generator().manual_seed(seed)

    def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return actor.act(obs, start, memory, generator=generator, deterministic=deterministic)

    collector = Collector(envs, spec, memory_size, seed)
    count = envs.num_envs
    shares = [episodes // count + (i < episodes % count) for i in range(count)]
    found: list[list[tuple[float, int]]] = [[] for _ in range(count)]
    limit, steps = (spec.max_episode_steps or _LONGEST) + 2, 0
    while any(len(mine) < share for mine, share in zip(found, shares, strict=True)):
        if steps > limit * max(shares):
            raise ConfigurationError(
                f"an episode of {spec.env_id} has not ended after {limit - 2:,} steps: "
                "give the environment a time limit"
            )
        rollout = collector.collect(act, _CHUNK)
        steps += _CHUNK
        # The collector lists episodes in the order in which their last steps lie in the rollout.
        ends = (rollout.steps.done & rollout.valid).nonzero()[:, 1].tolist()
        for i, episode in zip(ends, rollout.episodes, strict=True):
            if len(found[i]) < shares[i]:
                found[i].append((episode.total, episode.length))
    returns, lengths = zip(*(pair for mine in found for pair in mine), strict=True)
    return PolicyScores(np.array(returns), np.array(lengths))
