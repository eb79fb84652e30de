"""Recording what a policy does as demonstrations.

Episode k begins with the environment's seed ``seed + k``, whatever the number of environments. Each
environment records one episode at a time and then waits for the others: to take the first episodes
that happen to end would prefer the short ones.
"""

from collections.abc import Callable

import torch
from gymnasium.vector import VectorEnv

from genrl.imitation.demonstrations.base import Demonstration
from genrl.registry import ConfigurationError
from genrl.rl.rollout import Act, Collector, Rollout
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

CHUNK = 64  # steps between two looks at whether all episodes have ended
LONGEST = 1_000_000


def record(
    act: Act,
    envs: VectorEnv,
    spec: EnvSpec,
    episodes: int,
    seed: int,
    *,
    memory_size: int = 0,
    on_episodes: Callable[[int], None] | None = None,
) -> list[Demonstration]:
    """Whole episodes in the order of their seeds, with actions as executed.

    Args:
        act: (obs, start, memory) -> (action, memory), on observations of the environment.
        envs: vector environment that resets by itself.
        spec: of one of them.
        episodes: how many, at least 1.
        seed: of the first episode's environment.
        memory_size: of the policy.
        on_episodes: called with the number of episodes recorded so far.

    Raises:
        ConfigurationError: if an episode does not end, or ``episodes`` is below 1.
    """
    if episodes < 1:
        raise ConfigurationError(f"episodes must be at least 1, not {episodes}")
    recorded: list[Demonstration] = []
    collector = Collector(envs, spec, memory_size, seed)
    while len(recorded) < episodes:
        if recorded:
            collector.reset(seed + len(recorded))
        count = min(collector.num_envs, episodes - len(recorded))
        recorded += _first_episodes(collector, act, count)
        if on_episodes is not None:
            on_episodes(len(recorded))
    return recorded


def _first_episodes(collector: Collector, act: Act, count: int) -> list[Demonstration]:
    """The episodes that the first ``count`` environments are at the beginning of."""
    spec = collector.spec
    rollouts: list[Rollout] = []
    ended = torch.zeros(collector.num_envs, dtype=torch.bool)
    while not bool(ended[:count].all()):
        if len(rollouts) * CHUNK >= (spec.max_episode_steps or LONGEST) + CHUNK:
            raise ConfigurationError(
                f"an episode of {spec.env_id} does not end within {len(rollouts) * CHUNK} steps: "
                "set env.max_episode_steps"
            )
        rollouts.append(collector.collect(act, CHUNK))
        ended |= rollouts[-1].steps.done.any(dim=0)
    steps = Transitions.cat(rollout.steps for rollout in rollouts)
    return [_first_episode(steps, index, spec) for index in range(count)]


def _first_episode(steps: Transitions, index: int, spec: EnvSpec) -> Demonstration:
    steps = steps.map(lambda field: field[:, index])
    end = int(steps.done.nonzero()[0]) + 1
    obs = torch.cat([steps.obs[:end], steps.next_obs[end - 1 : end]])
    return Demonstration(
        obs,
        spec.clip(steps.action[:end]),
        steps.reward[:end],
        bool(steps.terminated[end - 1]),
    )
