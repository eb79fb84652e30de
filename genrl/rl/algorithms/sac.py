"""Soft Actor-Critic: maximum-entropy learning from replay, with an automatic temperature.

y = r + γ (1 - terminated) (min Q̄(s', a') - α log π(a'|s')),  a' ~ π(s')
policy:       min E[α log π(a|s) - min Q(s, a)]
temperature:  min E[-log α · (log π(a|s) + H̄)],  H̄ = -dim(a)

Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications, equations 5 to 7 and 18.
"""

import math

import torch
from torch import nn

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
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec


@algorithms.register("sac")
class SAC(OffPolicyAlgorithm):
    """Maximum-entropy learning from replay with an automatic temperature (Haarnoja et al. 2018).

    Args:
        parts: reparameterized policy, critic of action values, buffer.
        batch_size: examples in an update.
        learning_starts: transitions taken at random before the first update.
        train_every: steps of each environment between two rounds of updates.
        updates_per_step: gradient updates for each step of an environment.
        iteration_steps: steps of each environment in an iteration.
        sequence_length: steps in an example for policies with a memory.
        learning_rate: of policy and critic.
        temperature_rate: learning rate of log α; 0 keeps α.
        temperature: α at the start, > 0.
        target_entropy: H̄; null for -dim(a).
        target_rate: τ, how fast the target critic follows, in (0, 1].

    Raises:
        ValueError: if a number is out of range.
        ConfigurationError: if the policy cannot be reparameterized.
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
        learning_rate: float = 3e-4,
        temperature_rate: float = 3e-4,
        temperature: float = 1.0,
        target_entropy: float | None = None,
        target_rate: float = 0.005,
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
        is_positive = min(learning_rate, temperature) > 0 and temperature_rate >= 0
        if not is_positive or not 0 < target_rate <= 1:
            raise ValueError(
                "learning_rate and temperature must be positive, temperature_rate not negative and "
                f"target_rate in (0, 1], not {learning_rate}, {temperature}, {temperature_rate} "
                f"and {target_rate}"
            )
        require_continuous_actions(parts.spec, "sac")
        if not self.policy(torch.zeros(1, self.policy.num_features)).has_rsample:
            raise ConfigurationError(
                f"sac needs samples that carry gradients, which {type(self.policy).__name__} does "
                "not give: take policy=tanh_gaussian"
            )
        self.target_entropy = -parts.spec.action_size if target_entropy is None else target_entropy
        self.target_rate = target_rate
        self.log_alpha = nn.Parameter(torch.tensor(math.log(temperature)))
        self.policy_optimizer = Adam(self.policy.parameters(), learning_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), learning_rate)
        self.temperature_optimizer = Adam([self.log_alpha], temperature_rate)
        self.is_automatic = temperature_rate > 0

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """A squashed Gaussian, twin critics and uniform replay."""
        require_continuous_actions(spec, "sac")
        wide = [256, 256]
        return {
            "policy": {"name": "tanh_gaussian", "features": wide, "activation": "relu"},
            "critic": {"name": "twin_q", "features": wide, "activation": "relu"},
            "buffer": {"name": "replay"},
        }

    def optimizers(self) -> list[Adam]:
        """Of policy, critic and temperature."""
        return [self.policy_optimizer, self.critic_optimizer, self.temperature_optimizer]

    def update(self, batch: Replay, interaction: Interaction) -> Metrics:
        """Critic, policy, temperature, target critic."""
        generator = self.numbers(interaction)
        features = batch.features.detach()
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            next_action, next_log_prob = self.policy(batch.next_features).rsample_with_log_prob(
                generator
            )
            target = self.target_critic.target(
                batch.next_features.detach(),
                next_action,
                batch.reward,
                batch.discount,
                -alpha * next_log_prob,
            )
        losses, errors = self.critic.loss(features, batch.action, target)
        critic_loss = (losses * batch.weight).mean()
        self.critic_optimizer.descend(critic_loss)
        self.tell(errors.detach())

        action, log_prob = self.policy(batch.features).rsample_with_log_prob(generator)
        with frozen(self.critic_optimizer.parameters):
            policy_loss = (alpha * log_prob - self.critic.lower(features, action)).mean()
            self.policy_optimizer.descend(policy_loss)
        mean_log_prob = log_prob.detach().mean()
        if self.is_automatic:
            # The gradient of -log α · (log π + H̄).
            self.log_alpha.grad = -(mean_log_prob + self.target_entropy)
            self.temperature_optimizer.step()
        follow(self.target_critic_weights, self.critic_optimizer.parameters, self.target_rate)
        shown = (critic_loss, policy_loss, alpha, mean_log_prob)
        critic_value, policy_value, alpha_value, log_prob_value = (x.item() for x in shown)
        return {
            "loss": critic_value,
            "policy_loss": policy_value,
            "temperature": alpha_value,
            "entropy": -log_prob_value,
        }
