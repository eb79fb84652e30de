"""What algorithms that learn from a whole rollout at once share.

∇J = E[A ∇log π], and the gradient of the entropy: exact where there is a closed form, otherwise
∇H = -E[log π ∇log π], which holds for actions of the policy itself.
"""

import torch
from torch import Tensor

from genrl.rl.algorithms.on_policy import OnPolicyBatch
from genrl.rl.algorithms.optimization import descend
from genrl.rl.critics.base import ValueCritic
from genrl.rl.distributions.base import Distribution
from genrl.rl.policies.base import StochasticPolicy


def current(policy: StochasticPolicy, batch: OnPolicyBatch) -> tuple[Tensor, Distribution]:
    """Features and distributions under the policy's present weights."""
    features = batch.features
    if policy.is_recurrent:
        steps = batch.steps
        features, _ = policy.encode(steps.obs, steps.start, steps.memory[0])
    return features, policy(features)


def valid_only(batch: OnPolicyBatch, field: Tensor) -> Tensor:
    """A field of a batch as a flat one without dead transitions."""
    return field[batch.valid]


def entropy_term(distribution: Distribution, log_prob: Tensor) -> Tensor:
    """Entropies, or estimates of them, whose gradient is that of the mean entropy.

    Args:
        distribution: whose entropy.
        log_prob: of actions that it gave, with gradient.
    """
    entropy = distribution.entropy()
    if entropy is not None:
        return entropy
    # The gradient of -log π itself is zero in the mean: it says nothing about the entropy.
    surprise = -log_prob.detach()
    return surprise + surprise * (log_prob - log_prob.detach())


def fit_values(
    critic: ValueCritic,
    optimizer: torch.optim.Optimizer,
    features: Tensor,
    returns: Tensor,
    *,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
) -> tuple[float, int]:
    """Regress values on returns by minibatches; the mean loss ½ (V - R)², and how many there were.

    Args:
        critic: of state values.
        optimizer: of its weights.
        features: (batch, num_features).
        returns: (batch,).
        epochs: passes over all of them.
        batch_size: examples in a minibatch.
        generator: of their order.
    """
    features, count = features.detach(), 0
    total = torch.zeros(())
    for _ in range(epochs):
        order = torch.randperm(len(returns), generator=generator)
        for chosen in torch.split(order, batch_size):
            loss = 0.5 * (critic(features[chosen]) - returns[chosen]).square().mean()
            descend(optimizer, loss)
            total += loss.detach()
            count += 1
    return total.item() / max(1, count), count
