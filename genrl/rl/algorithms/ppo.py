"""Proximal Policy Optimization: several epochs on a clipped surrogate.

L = -E min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) + c_v E ½ (V - R)² - c_e E H,  ρ = π(a|s) / π_old(a|s)

Schulman et al. 2017, Proximal Policy Optimization Algorithms, equations 7 and 9.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from genrl import processes
from genrl.rl.algorithms.base import Parts, algorithms
from genrl.rl.algorithms.on_policy import OnPolicyAlgorithm, OnPolicyBatch, normalized
from genrl.rl.algorithms.optimization import Adam
from genrl.rl.interaction import Interaction
from genrl.rl.rewards import Metrics


@algorithms.register("ppo")
class PPO(OnPolicyAlgorithm):
    """Several epochs of minibatches on a clipped surrogate (Schulman et al. 2017).

    A policy with a memory is learned from whole environments: a minibatch then is a number of
    environments over all of the rollout's time.

    Args:
        parts: policy with a density, value critic, advantage estimator.
        num_steps: of each environment in an iteration.
        batch_size: steps in a minibatch.
        epochs: passes over a rollout.
        learning_rate: of Adam at the start.
        anneal: whether learning rate and clip range fall linearly to zero.
        clip: ε, how far the ratio may leave 1 before its gradient is cut.
        value_clip: the same for values, in units of the reward; 0 for none.
        value_weight: c_v.
        entropy_weight: c_e.
        gradient_clip: largest norm of the gradient; 0 for none.
        max_kl: ends the epochs once the estimated KL(π_old ‖ π), a mean over the minibatches of
            an epoch, exceeds it; 0 for never.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        num_steps: int = 2048,
        batch_size: int = 64,
        epochs: int = 10,
        learning_rate: float = 3e-4,
        anneal: bool = False,
        clip: float = 0.2,
        value_clip: float = 0.0,
        value_weight: float = 0.5,
        entropy_weight: float = 0.0,
        gradient_clip: float = 0.5,
        max_kl: float = 0.0,
    ) -> None:
        super().__init__(parts, num_steps)
        if batch_size < 1 or epochs < 1 or learning_rate <= 0 or clip <= 0:
            raise ValueError(
                "batch_size and epochs must be at least 1, learning_rate and clip positive, not "
                f"{batch_size}, {epochs}, {learning_rate} and {clip}"
            )
        self.batch_size, self.epochs, self.anneal = batch_size, epochs, anneal
        self.learning_rate, self.clip, self.value_clip = learning_rate, clip, value_clip
        self.value_weight, self.entropy_weight = value_weight, entropy_weight
        self.max_kl = max_kl
        self.optimizer = Adam(
            self.parameters(), learning_rate, eps=1e-5, clip=gradient_clip or float("inf")
        )

    def optimizers(self) -> list[Adam]:
        """Adam over policy and critic."""
        return [self.optimizer]

    def update(self, batch: OnPolicyBatch, interaction: Interaction) -> Metrics:
        """All epochs on one rollout."""
        left = 1.0 - interaction.progress if self.anneal else 1.0
        self.optimizer.learning_rate = self.learning_rate * left
        sums: Tensor | None = None
        count = 0
        for _ in range(self.epochs):
            divergences = []
            for minibatch in self._minibatches(batch, interaction.generator):
                loss, parts = self.loss(minibatch, self.clip * left)
                norm = self.optimizer.descend(loss)
                assert norm is not None
                row = torch.stack([loss.detach(), norm, *parts])
                sums = row if sums is None else sums + row
                count += 1
                divergences.append(parts[3])
            if self.max_kl:
                divergence = processes.mean(torch.stack(divergences).mean())
                if float(divergence) > self.max_kl:
                    break
        interaction.gradient_steps += count
        assert sums is not None
        names = ("loss", "gradient_norm", "policy_loss", "value_loss", "entropy", "kl", "clipped")
        return dict(zip(names, processes.mean(sums / count).tolist(), strict=True))

    def loss(self, batch: OnPolicyBatch, clip: float) -> tuple[Tensor, list[Tensor]]:
        """The loss of a (mini)batch, and its parts: policy, value, entropy, KL, share clipped."""
        features = batch.features
        if self.policy.is_recurrent:
            steps = batch.steps
            features, _ = self.policy.encode(steps.obs, steps.start, steps.memory[0])
        distribution = self.policy(features)
        log_prob, entropy = distribution.log_prob(batch.steps.action), distribution.entropy()
        if entropy is None:
            # E_old[-ρ log π] is the entropy, and so is its gradient with log π held fixed; that of
            # -log π alone would be zero in the mean.
            entropy = -(log_prob - batch.log_prob).exp() * log_prob.detach()
        values = self.critic(features)
        fields = [log_prob, entropy, values, batch.log_prob, batch.values, batch.returns]
        advantages = batch.advantages
        if self.policy.is_recurrent and not bool(batch.valid.all()):
            fields = [field[batch.valid] for field in fields]
            advantages = advantages[batch.valid]
        log_prob, entropy, values, old_log_prob, old_values, returns = fields
        log_ratio = log_prob - old_log_prob
        standard = normalized(advantages) if batch.standard is None else batch.standard
        policy_loss = clipped_surrogate(log_ratio, standard, clip)
        value_loss = self._value_loss(values, old_values, returns)
        entropy_mean = entropy.mean()
        loss = torch.add(policy_loss, value_loss, alpha=self.value_weight)
        if self.entropy_weight:
            loss = loss - self.entropy_weight * entropy_mean
        with torch.no_grad():
            # An estimate of KL(π_old ‖ π) that is never negative: E[(ρ - 1) - log ρ].
            change = log_ratio.expm1()
            kl = (change - log_ratio).mean()
            clipped = (change.abs() > clip).float().mean()
        return loss, [
            policy_loss.detach(),
            value_loss.detach(),
            entropy_mean.detach(),
            kl,
            clipped,
        ]

    def _value_loss(self, values: Tensor, before: Tensor, returns: Tensor) -> Tensor:
        if not self.value_clip:
            return 0.5 * functional.mse_loss(values, returns)
        near = before + (values - before).clamp(-self.value_clip, self.value_clip)
        return 0.5 * torch.maximum((values - returns).square(), (near - returns).square()).mean()

    def _minibatches(
        self, batch: OnPolicyBatch, generator: torch.Generator
    ) -> "list[OnPolicyBatch]":
        """Random minibatches that cover the rollout once; of each, this process' part."""
        has_memory = self.policy.is_recurrent
        time, count = (batch.log_prob.shape[0], batch.log_prob.shape[-1])
        size = max(1, self.batch_size // time) if has_memory else self.batch_size
        order = torch.randperm(count, generator=generator)
        dimension = 1 if has_memory else 0
        chunks = torch.split(order, size)
        return [_part(_select(batch, chosen, dimension), dimension) for chosen in chunks]


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """-E min(ρ A, clip(ρ, 1 - ε, 1 + ε) A), which is -E |A| min(sρ, s + ε) with s = sign A.

    An advantage is limited on one side only; the second form has half of the gradient's operations.
    """
    sign = advantages.sign()
    limited = torch.minimum(sign * log_ratio.exp(), sign + clip)
    return -(advantages.abs() * limited).mean()


def _part(batch: OnPolicyBatch, dimension: int) -> OnPolicyBatch:
    """This process' part of a minibatch, or all where it cannot be divided.

    Advantages are normalized before, over all of it.
    """
    count = batch.log_prob.shape[dimension]
    if not processes.are_several() or not processes.is_divisible(count):
        return batch
    if not bool(batch.valid.all()):
        return batch
    mine = _select(batch, processes.part_of(torch.arange(count)), dimension)
    return replace(mine, standard=processes.part_of(normalized(batch.advantages), dimension))


def _select(batch: OnPolicyBatch, chosen: Tensor, dimension: int) -> OnPolicyBatch:
    def select(field: Tensor) -> Tensor:
        return field.index_select(dimension, chosen)

    # Without a memory the observations themselves are not looked at again: features are.
    steps = batch.steps
    return OnPolicyBatch(
        steps.map(select) if dimension else replace(steps, action=select(steps.action)),
        select(batch.features),
        select(batch.advantages),
        select(batch.returns),
        select(batch.values),
        select(batch.log_prob),
        select(batch.valid) if dimension else batch.valid,
    )
