"""Steps a vector environment and records real transitions, in both autoreset modes of gymnasium.

SAME_STEP: at the end of an episode the step already returns the first observation of the next one,
and the real last one is in ``info["final_obs"]``. NEXT_STEP: the step returns the real last
observation, and the step after it ignores its action and resets: a dead transition, which is
recorded with ``valid`` False and must never reach a loss.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

Act = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Episode:
    """A finished episode.

    Args:
        total: sum of the environment's rewards, not discounted.
        length: steps.
    """

    total: float
    length: int


@dataclass(frozen=True)
class Rollout:
    """What a collector saw.

    Args:
        steps: (time, env).
        valid: (time, env), bool; False for dead transitions.
        episodes: those that ended.
    """

    steps: Transitions
    valid: Tensor
    episodes: list[Episode]

    @cached_property
    def num_steps(self) -> int:
        """Steps of environments, dead ones left out."""
        return int(self.valid.count_nonzero())

    @staticmethod
    def join(parts: "Sequence[Rollout]") -> "Rollout":
        """Consecutive rollouts as one."""
        if len(parts) == 1:
            return parts[0]
        return Rollout(
            Transitions.cat(part.steps for part in parts),
            torch.cat([part.valid for part in parts]),
            [episode for part in parts for episode in part.episodes],
        )

    def flat(self) -> Transitions:
        """The valid transitions as one batch."""
        flat = self.steps.flatten()
        valid = self.valid.flatten()
        return flat if bool(valid.all()) else flat[valid]


class Collector:
    """Acts in a vector environment, from the first reset on, without a break between rollouts.

    Args:
        envs: vector environment in SAME_STEP or NEXT_STEP mode.
        spec: of one of them.
        memory_size: of the policy.
        seed: of the first reset; environment i takes seed + i.

    Raises:
        ConfigurationError: if the vector environment does not reset by itself.
    """

    def __init__(self, envs: VectorEnv, spec: EnvSpec, memory_size: int = 0, seed: int = 0) -> None:
        mode = envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            raise ConfigurationError(
                f"the vector environment has autoreset mode {mode}; "
                "a collector needs one that resets by itself: SAME_STEP or NEXT_STEP"
            )
        self.envs, self.spec, self.memory_size = envs, spec, memory_size
        self.is_same_step = mode is AutoresetMode.SAME_STEP
        self.num_envs = envs.num_envs
        self.reset(seed)

    def reset(self, seed: int | Sequence[int]) -> None:
        """Begin new episodes everywhere.

        Args:
            seed: of each environment; from a single one, environment i takes seed + i.
        """
        each = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else list(seed)
        seeds: Any = each
        obs, _ = self.envs.reset(seed=seeds)
        self.obs = _float(obs)
        self.start = torch.ones(self.num_envs, dtype=torch.bool)
        self.memory = torch.zeros(self.num_envs, self.memory_size)
        self.dead = np.zeros(self.num_envs, dtype=np.bool_)
        self.totals = np.zeros(self.num_envs)
        self.lengths = np.zeros(self.num_envs, dtype=np.int64)

    @torch.no_grad()
    def collect(self, act: Act, num_steps: int) -> Rollout:
        """Record ``num_steps`` steps of every environment.

        Args:
            act: (obs, start, memory) -> (action, memory).
            num_steps: time of the rollout.

        Raises:
            ConfigurationError: if an observation or a reward is NaN or infinite.
        """
        # Many small arrays: what is known beforehand is written into large ones, which costs less
        # than to stack it, and what happens at the ends of episodes is looked at only there.
        shape = (num_steps, self.num_envs)
        reward = np.empty(shape)
        valid, terminated, truncated = np.empty((3, *shape), dtype=np.bool_)
        valid.fill(True)
        observations, actions, starts, memories = [self.obs], [], [], []
        finals: list[tuple[int, int, Any]] = []
        none = torch.zeros(self.num_envs, dtype=torch.bool)
        for step in range(num_steps):
            action, memory = act(self.obs, self.start, self.memory)
            outcome = self.envs.step(self.spec.executable(action))
            seen, reward[step], terminated[step], truncated[step], info = outcome
            actions.append(action)
            starts.append(self.start)
            memories.append(self.memory)
            self.obs, self.memory, self.start = _float(seen), memory, none
            observations.append(self.obs)
            begun = done = terminated[step] | truncated[step]
            if not self.is_same_step:
                valid[step] = ~self.dead
                begun, self.dead = self.dead, done & ~self.dead
            elif np.count_nonzero(done):
                finals += [(step, i, info["final_obs"][i]) for i in np.flatnonzero(done).tolist()]
            if np.count_nonzero(begun):
                self.start = torch.from_numpy(begun.copy())
        every = torch.stack(observations)
        next_obs = every[1:].clone()
        for step, i, final in finals:
            next_obs[step, i] = torch.from_numpy(np.asarray(final, dtype=np.float32))
        steps = Transitions(
            every[:-1],
            torch.stack(actions),
            torch.from_numpy(reward.astype(np.float32)),
            next_obs,
            torch.from_numpy(terminated),
            torch.from_numpy(truncated),
            torch.stack(starts),
            torch.stack(memories) if self.memory_size else torch.zeros(*shape, 0),
        )
        if not math.isfinite(steps.reward.sum() + steps.next_obs.sum()):
            raise ConfigurationError(
                f"{self.spec.env_id} gave an observation or a reward that is NaN or infinite"
            )
        if not self.is_same_step:
            reward[~valid] = 0.0
        episodes = self._count(reward, terminated | truncated, valid)
        return Rollout(steps, torch.from_numpy(valid), episodes)

    def _count(
        self, reward: NDArray[Any], done: NDArray[np.bool_], valid: NDArray[np.bool_]
    ) -> list[Episode]:
        """Episodes that ended, in the order of their ends; others run on in the next rollout."""
        episodes: list[Episode] = []
        if len(reward) == 1 and not np.count_nonzero(done):
            self.totals += reward[0]
            self.lengths += valid[0]
            return episodes
        begin = [0] * self.num_envs
        for step, i in np.argwhere(done & valid).tolist():
            self._run_on(i, reward[begin[i] : step + 1, i], valid[begin[i] : step + 1, i])
            episodes.append(Episode(float(self.totals[i]), int(self.lengths[i])))
            self.totals[i], self.lengths[i], begin[i] = 0.0, 0, step + 1
        for i, first in enumerate(begin):
            self._run_on(i, reward[first:, i], valid[first:, i])
        return episodes

    def _run_on(self, i: int, reward: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        # One after another: where rollouts are cut must not show in the last digit of a return.
        self.totals[i] = np.add.accumulate(np.append(self.totals[i], reward))[-1]
        self.lengths[i] += np.count_nonzero(valid)

    def state_dict(self) -> dict[str, Any]:
        """Where every episode stands, the environments' own state left out."""
        return {
            "obs": self.obs,
            "start": self.start,
            "memory": self.memory,
            "dead": torch.from_numpy(self.dead.copy()),
            "totals": torch.from_numpy(self.totals.copy()),
            "lengths": torch.from_numpy(self.lengths.copy()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`; the environments must have been restored, too."""
        self.obs, self.start, self.memory = state["obs"], state["start"], state["memory"]
        self.dead = state["dead"].numpy().copy()
        self.totals = state["totals"].numpy().copy()
        self.lengths = state["lengths"].numpy().copy()


def _float(obs: NDArray[Any]) -> Tensor:
    # A copy, for vector environments may write the next observation into the same memory.
    return torch.from_numpy(np.array(obs, dtype=np.float32))
