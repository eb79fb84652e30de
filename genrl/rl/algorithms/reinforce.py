"""REINFORCE: the likelihood-ratio gradient of Monte-Carlo returns.

∇J = E[(R_t - b(s_t)) ∇log π(a_t|s_t)],  R_t = Σ_k γᵏ r_{t+k}

The baseline b = V changes the variance and not the mean. Where the record of an episode ends before
the episode does, V stands for what would have followed, with a baseline or without.
Williams 1992, Simple Statistical Gradient-Following Algorithms, section 4.
"""

import torch

from genrl.rl.algorithms.base import Choice, Parts, algorithms
from genrl.rl.algorithms.on_policy import OnPolicyAlgorithm, OnPolicyBatch, normalized
from genrl.rl.algorithms.optimization import descend
from genrl.rl.algorithms.policy_gradient import current, entropy_term, fit_values, valid_only
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics
from genrl.rl.spec import EnvSpec


@algorithms.register("reinforce")
class REINFORCE(OnPolicyAlgorithm):
    """Likelihood-ratio gradient of Monte-Carlo returns (Williams 1992).

    Args:
        parts: policy with a density, value critic, advantage estimator (gae with lam=1).
        num_steps: of each environment in an iteration; several episodes' length.
        learning_rate: of Adam, for the policy.
        use_baseline: whether V is subtracted, and the differences brought to mean 0 and standard
            deviation 1; otherwise the bare returns are taken.
        entropy_weight: of the entropy.
        value_learning_rate: of Adam, for the critic.
        value_epochs: passes of the critic over a rollout.
        value_batch_size: steps in a minibatch of the critic.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        num_steps: int = 1024,
        learning_rate: float = 3e-3,
        use_baseline: bool = True,
        entropy_weight: float = 0.0,
        value_learning_rate: float = 1e-3,
        value_epochs: int = 10,
        value_batch_size: int = 128,
    ) -> None:
        super().__init__(parts, num_steps)
        if learning_rate <= 0 or value_learning_rate <= 0:
            raise ValueError(
                "learning_rate and value_learning_rate must be positive, not "
                f"{learning_rate} and {value_learning_rate}"
            )
        if min(value_epochs, value_batch_size) < 1:
            raise ValueError(
                "value_epochs and value_batch_size must be at least 1, not "
                f"{value_epochs} and {value_batch_size}"
            )
        self.use_baseline, self.entropy_weight = use_baseline, entropy_weight
        self.value_epochs, self.value_batch_size = value_epochs, value_batch_size
        self.policy_optimizer = torch.optim.Adam(
            self.policy.parameters(), lr=learning_rate, fused=True
        )
        self.value_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=value_learning_rate, fused=True
        )

    @classmethod
    def defaults(cls, spec: EnvSpec) -> dict[str, Choice]:
        """Monte-Carlo returns: λ = 1."""
        return {**super().defaults(spec), "advantage": {"name": "gae", "lam": 1.0}}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam over the policy, Adam over the critic."""
        return [self.policy_optimizer, self.value_optimizer]

    def update(self, batch: OnPolicyBatch, interaction: Interaction) -> Metrics:
        """One step of the policy, then the critic."""
        features, distribution = current(self.policy, batch)
        log_prob = distribution.log_prob(batch.steps.action)
        entropy = valid_only(batch, entropy_term(distribution, log_prob)).mean()
        weight = valid_only(batch, batch.advantages if self.use_baseline else batch.returns)
        if self.use_baseline:
            weight = normalized(weight)
        policy_loss = -(valid_only(batch, log_prob) * weight).mean()
        descend(self.policy_optimizer, policy_loss - self.entropy_weight * entropy)
        value_loss, count = fit_values(
            self.critic,
            self.value_optimizer,
            valid_only(batch, features),
            valid_only(batch, batch.returns),
            epochs=self.value_epochs,
            batch_size=self.value_batch_size,
            generator=interaction.generator,
        )
        interaction.gradient_steps += count + 1
        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss,
            "entropy": entropy.item(),
        }
