"""Advantage actor-critic: one gradient step on each short rollout.

L = -E[log π(a|s) A] + c_v E ½ (V - R)² - c_e E H(π)

The synchronous form of A3C. Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning,
sections 4 and 5.
"""

import torch
from torch import nn

from genrl.rl.algorithms.base import Choice, Parts, algorithms
from genrl.rl.algorithms.on_policy import OnPolicyAlgorithm, OnPolicyBatch, normalized
from genrl.rl.algorithms.policy_gradient import current, entropy_term, valid_only
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec


@algorithms.register("a2c")
class A2C(OnPolicyAlgorithm):
    """One gradient step on each short rollout (Mnih et al. 2016, synchronous).

    Args:
        parts: policy with a density, value critic, advantage estimator.
        num_steps: of each environment in an iteration.
        learning_rate: of RMSprop at the start.
        anneal: whether the learning rate falls linearly to zero.
        normalize_advantages: to mean 0 and standard deviation 1 in each rollout.
        value_weight: c_v.
        entropy_weight: c_e.
        gradient_clip: largest norm of the gradient; 0 for none.

    Raises:
        ValueError: if the learning rate is not positive.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        num_steps: int = 5,
        learning_rate: float = 7e-4,
        anneal: bool = False,
        normalize_advantages: bool = False,
        value_weight: float = 0.5,
        entropy_weight: float = 0.0,
        gradient_clip: float = 0.5,
    ) -> None:
        super().__init__(parts, num_steps)
        if learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, not {learning_rate}")
        self.learning_rate, self.anneal = learning_rate, anneal
        self.normalize_advantages = normalize_advantages
        self.value_weight, self.entropy_weight = value_weight, entropy_weight
        self.gradient_clip = gradient_clip
        self.optimizer = torch.optim.RMSprop(
            self.parameters(), lr=learning_rate, alpha=0.99, eps=1e-5
        )

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """Returns of all steps of the rollout, not a weighted sum of them."""
        return {**super().defaults(spec), "advantage": {"name": "gae", "lam": 1.0}}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """RMSprop over policy and critic."""
        return [self.optimizer]

    def update(self, batch: OnPolicyBatch, interaction: Interaction) -> Metrics:
        """The step."""
        left = 1.0 - interaction.progress if self.anneal else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * left
        features, distribution = current(self.policy, batch)
        log_prob = distribution.log_prob(batch.steps.action)
        entropy = valid_only(batch, entropy_term(distribution, log_prob)).mean()
        advantages = valid_only(batch, batch.advantages)
        if self.normalize_advantages:
            advantages = normalized(advantages)
        policy_loss = -(valid_only(batch, log_prob) * advantages).mean()
        error = valid_only(batch, self.critic(features) - batch.returns)
        value_loss = 0.5 * error.square().mean()
        loss = policy_loss + self.value_weight * value_loss - self.entropy_weight * entropy
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters(), self.gradient_clip or float("inf"))
        self.optimizer.step()
        interaction.gradient_steps += 1
        return {
            "loss": loss.item(),
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": entropy.item(),
            "gradient_norm": norm.item(),
        }
