"""Twin Delayed DDPG: deterministic policy gradients with three remedies against overestimation.

y = r + γ (1 - terminated) min Q̄(s', clip(π̄(s') + clip(ε, -c, c))),  ε ~ N(0, σ²)

The least of two critics, noise on the target's action, and a policy that is updated every d-th
time. Fujimoto, van Hoof & Meger 2018, Addressing Function Approximation Error in Actor-Critic
Methods, algorithm 1.
"""

import copy

import torch
from torch import Tensor

from genrl.diffusion.noise import randn
from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Choice, Parts, algorithms
from genrl.rl.algorithms.off_policy import (
    OffPolicyAlgorithm,
    Replay,
    Schedule,
    follow,
    frozen,
    require_continuous_actions,
)
from genrl.rl.algorithms.optimization import Adam
from genrl.rl.interaction import Interaction
from genrl.rl.policies.base import Policy
from genrl.rl.policies.noisy import NoisyPolicy
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec


@algorithms.register("td3")
class TD3(OffPolicyAlgorithm):
    """Deterministic policy, smoothed pessimistic targets, delayed updates.

    Noise is in units of half the range of an action.

    Args:
        parts: policy whose mode is differentiable, critic of action values, buffer.
        batch_size: examples in an update.
        learning_starts: transitions taken at random before the first update.
        train_every: steps of each environment between two rounds of updates.
        updates_per_step: gradient updates for each step of an environment.
        iteration_steps: steps of each environment in an iteration.
        sequence_length: steps in an example for policies with a memory.
        learning_rate: of policy and critic.
        target_rate: τ, how fast the targets follow, in (0, 1].
        exploration_noise: standard deviation of the noise on actions taken.
        target_noise: σ.
        target_noise_clip: c.
        policy_delay: d, critic updates for one of the policy.

    Raises:
        ValueError: if a number is out of range.
        ConfigurationError: if actions are discrete or unbounded.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        batch_size: int = 256,
        learning_starts: int = 1000,
        train_every: int = 1,
        updates_per_step: float = 1.0,
        iteration_steps: int = 250,
        sequence_length: int = 16,
        learning_rate: float = 1e-3,
        target_rate: float = 0.005,
        exploration_noise: float = 0.1,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        policy_delay: int = 2,
    ) -> None:
        schedule = Schedule(
            batch_size,
            learning_starts,
            train_every,
            updates_per_step,
            iteration_steps,
            sequence_length,
        )
        super().__init__(parts, schedule)
        if learning_rate <= 0 or not 0 < target_rate <= 1 or policy_delay < 1:
            raise ValueError(
                "learning_rate must be positive, target_rate in (0, 1] and policy_delay at least "
                f"1, not {learning_rate}, {target_rate} and {policy_delay}"
            )
        if min(exploration_noise, target_noise, target_noise_clip) < 0:
            raise ValueError("noise cannot be negative")
        if not parts.spec.is_bounded:
            raise ConfigurationError(
                f"td3 needs actions within finite bounds, which {parts.spec.env_id} has not: "
                "take algorithm=ppo"
            )
        self.target_rate, self.policy_delay = target_rate, policy_delay
        self.target_noise, self.target_noise_clip = target_noise, target_noise_clip
        self.target_policy = copy.deepcopy(self.policy).requires_grad_(False)
        self.target_policy_weights = list(self.target_policy.parameters())
        self._explorer = NoisyPolicy(self.policy, exploration_noise)
        self.half_range = torch.tensor(
            [(high - low) / 2 for low, high in zip(self.spec.low, self.spec.high, strict=True)]
        )
        self.policy_optimizer = Adam(self.policy.parameters(), learning_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), learning_rate)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    count: Tensor

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """A deterministic policy, twin critics and uniform replay."""
        require_continuous_actions(spec, "td3")
        wide = [256, 256]
        return {
            "policy": {"name": "deterministic", "features": wide, "activation": "relu"},
            "critic": {"name": "twin_q", "features": wide, "activation": "relu"},
            "buffer": {"name": "replay"},
        }

    @property
    def explorer(self) -> Policy:
        """The policy with Gaussian noise."""
        return self._explorer

    def optimizers(self) -> list[Adam]:
        """Of policy and critic."""
        return [self.policy_optimizer, self.critic_optimizer]

    def update(self, batch: Replay, interaction: Interaction) -> Metrics:
        """Critic; every d-th time policy and targets."""
        features, following = batch.features.detach(), batch.next_features.detach()
        with torch.no_grad():
            next_action = self.target_policy(following).mode
            noise = randn(next_action.shape, self.numbers(interaction))
            limit = self.target_noise_clip
            noise = (noise * self.target_noise).clamp(-limit, limit) * self.half_range
            target = self.target_critic.target(
                following,
                self.spec.clip(next_action + noise),
                batch.reward,
                batch.discount,
                torch.zeros_like(batch.reward),
            )
        losses, errors = self.critic.loss(features, batch.action, target)
        critic_loss = (losses * batch.weight).mean()
        self.critic_optimizer.descend(critic_loss)
        self.tell(errors.detach())
        metrics = {"loss": critic_loss.item()}
        self.count += 1
        if int(self.count) % self.policy_delay == 0:
            critic_weights = self.critic_optimizer.parameters
            with frozen(critic_weights):
                action = self.policy(batch.features).mode
                policy_loss = -self.critic.first(batch.features.detach(), action).mean()
                self.policy_optimizer.descend(policy_loss)
            follow(self.target_critic_weights, critic_weights, self.target_rate)
            follow(self.target_policy_weights, self.policy_optimizer.parameters, self.target_rate)
            metrics["policy_loss"] = policy_loss.item() * self.policy_delay
        return metrics
