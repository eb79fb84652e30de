"""One of n actions: log π(a) = z_a - logsumexp z."""

import torch
from torch import Tensor

from genrl.rl.distributions.base import Distribution
from genrl.rl.distributions.noise import choose


class Categorical(Distribution):
    """softmax(z).

    Args:
        logits: z, (..., n).
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self._log_probs: Tensor | None = None

    @property
    def log_probs(self) -> Tensor:
        """Of every action, (..., n); computed once, and not at all for a sample."""
        if self._log_probs is None:
            self._log_probs = self.logits.log_softmax(-1)
        return self._log_probs

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """An action of each, int64."""
        return choose(self.logits.detach(), generator)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-probability of integers."""
        return self.log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    @property
    def mode(self) -> Tensor:
        """The likeliest action."""
        return self.logits.argmax(-1)

    def entropy(self) -> Tensor:
        """-Σ π log π."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)

    def kl(self, other: Distribution) -> Tensor:
        """Σ π log(π / π')."""
        if not isinstance(other, Categorical):
            return super().kl(other)
        return (self.log_probs.exp() * (self.log_probs - other.log_probs)).sum(-1)

    def detach(self) -> "Categorical":
        """The same without gradient."""
        return Categorical(self.logits.detach())
