"""An algorithm at work in an environment, in plain torch: what a notebook needs.

agent = Agent(PPO(parts), source.make_vector(), spec, num_iterations=50)
for _ in range(50):
    print(agent.iterate())
"""

from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from genrl.rl.algorithms.base import Algorithm
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies.base import Policy
from genrl.rl.rewards import EnvironmentReward, Metrics, RewardSource
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec


class Actor(nn.Module):
    """A policy with the normalizer that it was trained with: acts on raw observations.

    Args:
        policy: of normalized observations.
        normalizer: of observations.
    """

    def __init__(self, policy: Policy, normalizer: ObservationNormalizer) -> None:
        super().__init__()
        self.policy, self.normalizer = policy, normalizer

    @property
    def spec(self) -> EnvSpec:
        """Of the environment."""
        return self.policy.spec

    @property
    def memory_size(self) -> int:
        """Of the policy."""
        return self.policy.memory_size

    def initial_memory(self, num_envs: int) -> Tensor:
        """The memory at the start of an episode."""
        return self.policy.initial_memory(num_envs)

    @torch.no_grad()
    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As `Policy.act`, with observations as the environment gives them."""
        return self.policy.act(
            self.normalizer(obs),
            start,
            memory,
            generator=generator,
            deterministic=deterministic,
        )

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Weights and statistics."""
        result = super().load_state_dict(state_dict, strict, assign)
        self.normalizer.refresh()
        return result


class Agent:
    """Runs an algorithm, iteration by iteration.

    Args:
        algorithm: with its policy.
        envs: vector environment to learn in.
        spec: of one environment.
        num_iterations: of the whole run, for schedules.
        reward: where rewards come from; the environment where None.
        seed: of everything random.
        normalize_observations: by running mean and standard deviation.
        normalize_rewards: divide by the standard deviation of the discounted return.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        envs: VectorEnv,
        spec: EnvSpec,
        *,
        num_iterations: int,
        reward: RewardSource | None = None,
        seed: int = 0,
        normalize_observations: bool = False,
        normalize_rewards: bool = False,
    ) -> None:
        self.algorithm, self.envs, self.spec = algorithm, envs, spec
        normalizer = ObservationNormalizer(spec.obs_size, is_active=normalize_observations)
        scaler = RewardScaler(envs.num_envs, algorithm.gamma, is_active=normalize_rewards)
        self.interaction = Interaction(
            Collector(envs, spec, algorithm.policy.memory_size, seed),
            reward or EnvironmentReward(),
            normalizer,
            scaler,
            num_iterations=num_iterations,
            seed=seed,
        )
        self.actor = Actor(algorithm.policy, normalizer)

    @property
    def env_steps(self) -> int:
        """Steps of environments so far."""
        return self.interaction.env_steps

    @property
    def gradient_steps(self) -> int:
        """Gradient updates so far."""
        return self.interaction.gradient_steps

    def iterate(self) -> Metrics:
        """Collect, learn, and say how it went."""
        self.interaction.begin()
        metrics = self.algorithm.iterate(self.interaction)
        return {**metrics, **self.interaction.finish()}

    def restart_episodes(self) -> None:
        """Begin new episodes everywhere, with seeds that the run has not used."""
        self.interaction.collector.reset(self.interaction.seed + 1_000_003 + self.env_steps)

    def state_dict(self) -> dict[str, Any]:
        """Everything the next iteration depends on, the environments' own state left out."""
        return {
            "algorithm": self.algorithm.training_state(),
            "interaction": self.interaction.state_dict(),
            "reward": self.interaction.reward.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.algorithm.load_training_state(state["algorithm"])
        self.interaction.load_state_dict(state["interaction"])
        self.interaction.reward.load_state_dict(state["reward"])
