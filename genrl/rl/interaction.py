"""What an algorithm interacts with: environments, rewards, normalizers, random numbers, counters.

Every random number of iteration k comes from a generator seeded by (seed, k): a resumed run repeats
an uninterrupted one without storing the state of a generator.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrl.diffusion.noise import mixed_seed
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies.base import Policy
from genrl.rl.rewards import Metrics, RewardSource
from genrl.rl.rollout import Collector, Episode, Rollout
from genrl.rl.transitions import Transitions


class Interaction:
    """Joins a collector, a reward source and the normalizers.

    Args:
        collector: of transitions.
        reward: where rewards come from.
        normalizer: of observations.
        scaler: of rewards.
        num_iterations: of the whole run, for schedules.
        seed: of the run.
    """

    def __init__(
        self,
        collector: Collector,
        reward: RewardSource,
        normalizer: ObservationNormalizer,
        scaler: RewardScaler,
        *,
        num_iterations: int,
        seed: int = 0,
    ) -> None:
        self.collector, self.reward = collector, reward
        self.normalizer, self.scaler = normalizer, scaler
        self.num_iterations, self.seed = num_iterations, seed
        self.iteration = 0
        self.env_steps = 0
        self.gradient_steps = 0
        self.generator = torch.Generator()
        self.episodes: list[Episode] = []
        self._seen: list[Rollout] = []
        # Fresh steps and their rewards, which an on-policy algorithm asks for again.
        self._paid: tuple[Transitions | None, Tensor] = (None, torch.empty(0))

    @property
    def progress(self) -> float:
        """Part of the run that is done, in [0, 1]."""
        return min(1.0, self.iteration / max(1, self.num_iterations))

    def begin(self) -> None:
        """Start an iteration: its random numbers, its statistics."""
        self.generator.manual_seed(mixed_seed(self.seed, self.iteration))
        self.episodes, self._seen, self._paid = [], [], (None, torch.empty(0))

    def collect(self, policy: Policy, num_steps: int) -> Rollout:
        """Let the policy act; rewards are the environment's own."""

        def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
            seen = self.normalizer(obs) if self.normalizer.is_active else obs
            return policy.act(seen, start, memory, generator=self.generator)

        return self.record(self.collector.collect(act, num_steps))

    def collect_random(self, num_steps: int) -> Rollout:
        """Uniformly random actions within the bounds, standard normal ones where there are none."""
        spec, count = self.collector.spec, self.collector.num_envs

        def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
            if spec.is_discrete:
                return torch.randint(spec.action_size, (count,), generator=self.generator), memory
            if not spec.is_bounded:
                noise = torch.randn(count, spec.action_size, generator=self.generator)
                return spec.clip(noise), memory
            low, high = torch.tensor(spec.low), torch.tensor(spec.high)
            uniform = torch.rand(count, spec.action_size, generator=self.generator)
            return low + (high - low) * uniform, memory

        return self.record(self.collector.collect(act, num_steps))

    def record(self, rollout: Rollout) -> Rollout:
        """Count a rollout and keep it for `finish`."""
        self.env_steps += rollout.num_steps
        self.episodes += rollout.episodes
        self._seen.append(rollout)
        return rollout

    def relabel(self, steps: Transitions) -> Transitions:
        """A rollout with the reward source's rewards, scaled, and normalized observations."""
        known, reward = self._paid
        if known is not steps:
            reward = self.reward.reward(steps)
        paid = replace(steps, reward=self.scaler(reward))
        return self.normalizer.steps(self.reward.settle(paid))

    def learn_reward(self) -> Metrics:
        """Let the reward source learn from what was collected since the iteration began."""
        if not self._seen:
            return {}
        fresh = Rollout.join(self._seen)
        metrics = self.reward.update(fresh.flat(), self.generator)
        reward = self.reward.reward(fresh.steps)
        self._paid = fresh.steps, reward
        # Returns with what an absorbing state is worth, or values would be far from 1.
        whole = self.reward.settle(replace(fresh.steps, reward=reward))
        self.scaler.update(whole.reward, whole.done, fresh.valid)
        return {**metrics, **self.reward.diagnose(fresh, reward)}

    def finish(self) -> Metrics:
        """End an iteration: normalizers learn, counters move; statistics of finished episodes."""
        if self._seen and self.normalizer.is_active:
            self.normalizer.update(Rollout.join(self._seen).flat().obs)
        self._seen = []
        self.iteration += 1
        if not self.episodes:
            return {}
        return {
            "episode_return": float(np.mean([episode.total for episode in self.episodes])),
            "episode_length": float(np.mean([episode.length for episode in self.episodes])),
        }

    def state_dict(self) -> dict[str, Any]:
        """Counters, normalizers and the collector's position."""
        return {
            "iteration": self.iteration,
            "env_steps": self.env_steps,
            "gradient_steps": self.gradient_steps,
            "normalizer": self.normalizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "collector": self.collector.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.iteration = int(state["iteration"])
        self.env_steps = int(state["env_steps"])
        self.gradient_steps = int(state["gradient_steps"])
        self.normalizer.load_state_dict(state["normalizer"])
        self.normalizer.refresh()
        self.scaler.load_state_dict(state["scaler"])
        self.collector.load_state_dict(state["collector"])
