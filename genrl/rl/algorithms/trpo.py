"""Trust Region Policy Optimization: the natural gradient, as far as the KL divergence permits.

max L(θ) = E[π_θ/π_old A]  subject to  E KL(π_old ‖ π_θ) <= δ

s = (F + ζI)⁻¹ ∇L, step √(2δ / sᵀ(F + ζI)s) s, halved until L has improved and the true KL is within
δ; if it never is, the weights stay as they were. Gradients are never clipped: the constraint is
what bounds the step.

Schulman et al. 2015, Trust Region Policy Optimization, appendix C.
"""

import copy

import torch
from torch import Tensor, nn

from genrl.registry import ConfigurationError
from genrl.rl.algorithms.base import Parts, algorithms
from genrl.rl.algorithms.natural_gradient import (
    assign,
    conjugate_gradient,
    flat_gradient,
    flat_values,
    hessian_product,
)
from genrl.rl.algorithms.on_policy import OnPolicyAlgorithm, OnPolicyBatch, normalized
from genrl.rl.algorithms.policy_gradient import current, fit_values, valid_only
from genrl.rl.distributions.base import Distribution
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics


@algorithms.register("trpo")
class TRPO(OnPolicyAlgorithm):
    """Natural-gradient steps within a KL bound (Schulman et al. 2015).

    Args:
        parts: policy whose KL divergence has a closed form, value critic, advantage estimator.
        num_steps: of each environment in an iteration.
        max_kl: δ > 0, bound of the mean KL(π_old ‖ π) of an iteration, in nats.
        damping: ζ >= 0, added to the Fisher matrix.
        cg_iterations: of conjugate gradients, at least 1.
        line_search_steps: steps that are tried, each half of the one before, at least 1.
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
        max_kl: float = 0.01,
        damping: float = 0.1,
        cg_iterations: int = 15,
        line_search_steps: int = 10,
        value_learning_rate: float = 1e-3,
        value_epochs: int = 10,
        value_batch_size: int = 128,
    ) -> None:
        super().__init__(parts, num_steps)
        if max_kl <= 0 or damping < 0 or value_learning_rate <= 0:
            raise ValueError(
                "max_kl and value_learning_rate must be positive and damping not negative, not "
                f"{max_kl}, {value_learning_rate} and {damping}"
            )
        if min(cg_iterations, line_search_steps, value_epochs, value_batch_size) < 1:
            raise ValueError(
                "cg_iterations, line_search_steps, value_epochs and value_batch_size must be at "
                f"least 1, not {cg_iterations}, {line_search_steps}, {value_epochs} and "
                f"{value_batch_size}"
            )
        self.max_kl, self.damping = max_kl, damping
        self.cg_iterations, self.line_search_steps = cg_iterations, line_search_steps
        self.value_epochs, self.value_batch_size = value_epochs, value_batch_size
        self.optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=value_learning_rate, fused=True
        )

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam over the critic; the policy needs none."""
        return [self.optimizer]

    def update(self, batch: OnPolicyBatch, interaction: Interaction) -> Metrics:
        """One step of the policy, then the critic: advantages came from the values before."""
        metrics = self.improve(batch)
        with torch.no_grad():
            features, _ = current(self.policy, batch)
        value_loss, count = fit_values(
            self.critic,
            self.optimizer,
            valid_only(batch, features),
            valid_only(batch, batch.returns),
            epochs=self.value_epochs,
            batch_size=self.value_batch_size,
            generator=interaction.generator,
        )
        interaction.gradient_steps += count + 1
        return {**metrics, "value_loss": value_loss}

    def improve(self, batch: OnPolicyBatch) -> Metrics:
        """The step of the policy."""
        parameters = [p for p in self.policy.parameters() if p.requires_grad]
        advantages = normalized(valid_only(batch, batch.advantages))
        with torch.no_grad():
            # A copy: a free log σ is the weight itself, which the search moves.
            old = copy.deepcopy(current(self.policy, batch)[1].detach())
        surrogate, kl = self._objective(batch, advantages, old)
        gradient = flat_gradient(surrogate, parameters, retain_graph=True).double()
        step = self._full_step(gradient, kl, parameters)
        metrics = self._search(batch, advantages, old, parameters, step, surrogate.item())
        return {**metrics, "gradient_norm": gradient.norm().item()}

    def _full_step(self, gradient: Tensor, kl: Tensor, parameters: list[nn.Parameter]) -> Tensor:
        """The step at whose end the quadratic model of KL is δ; zero without a gradient."""
        fisher = hessian_product(kl, parameters)

        def product(vector: Tensor) -> Tensor:
            return fisher(vector) + self.damping * vector

        direction = conjugate_gradient(product, gradient, iterations=self.cg_iterations)
        curvature = direction @ product(direction)
        if not curvature > 0:
            return torch.zeros_like(direction)
        return (2 * self.max_kl / curvature).sqrt() * direction

    @torch.no_grad()
    def _search(
        self,
        batch: OnPolicyBatch,
        advantages: Tensor,
        old: Distribution,
        parameters: list[nn.Parameter],
        step: Tensor,
        before: float,
    ) -> Metrics:
        start = flat_values(parameters)
        for trial in range(self.line_search_steps):
            scale = 0.5**trial
            assign(parameters, (start + scale * step).to(start.dtype))
            surrogate, kl = self._objective(batch, advantages, old)
            # Written so that NaN is refused.
            if surrogate > before and kl <= self.max_kl:
                improvement = surrogate.item() - before
                return {"kl": kl.item(), "improvement": improvement, "step_scale": scale}
        assign(parameters, start)
        return {"kl": 0.0, "improvement": 0.0, "step_scale": 0.0}

    def _objective(
        self, batch: OnPolicyBatch, advantages: Tensor, old: Distribution
    ) -> tuple[Tensor, Tensor]:
        """L and the mean KL(π_old ‖ π)."""
        _, distribution = current(self.policy, batch)
        log_ratio = distribution.log_prob(batch.steps.action) - batch.log_prob
        try:
            kl = old.kl(distribution)
        except NotImplementedError as error:
            raise ConfigurationError(f"trpo needs another policy: {error}") from error
        surrogate = (valid_only(batch, log_ratio).exp() * advantages).mean()
        return surrogate, valid_only(batch, kl).mean()
