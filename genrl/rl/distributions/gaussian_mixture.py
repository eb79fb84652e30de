"""Mixture of normal distributions with independent components.

log π(a) = logsumexp_k (log w_k + log N(a; μ_k, diag σ_k²)),   w = softmax(z)
"""

import torch
from torch import Tensor

from genrl.rl.distributions.base import Distribution
from genrl.rl.distributions.noise import choose, normal_like
from genrl.rl.distributions.normal import log_density, standardized


class GaussianMixture(Distribution):
    """Σ_k w_k N(μ_k, diag σ_k²).

    Args:
        logits: z, (..., components).
        mean: (..., components, d).
        log_std: of the same shape.
    """

    def __init__(self, logits: Tensor, mean: Tensor, log_std: Tensor) -> None:
        self.logits, self.mean, self.log_std = logits, mean, log_std

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """A component by its weight, then a sample of it."""
        with torch.no_grad():
            index = choose(self.logits, generator)
            mean, std = _component(self.mean, index), _component(self.log_std, index).exp()
            return torch.addcmul(mean, normal_like(mean, generator), std)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density."""
        standard = standardized(action.unsqueeze(-2), self.mean, self.log_std)
        weighted = self.logits.log_softmax(-1) + log_density(standard, self.log_std)
        return weighted.logsumexp(-1)

    @property
    def mode(self) -> Tensor:
        """The mean of a component at which the whole density is greatest."""
        # (..., components) in front, so that every mean is an action of every mixture.
        density = self.log_prob(self.mean.movedim(-2, 0))
        return _component(self.mean, density.argmax(0))

    def detach(self) -> "GaussianMixture":
        """The same without gradient."""
        return GaussianMixture(self.logits.detach(), self.mean.detach(), self.log_std.detach())


def _component(values: Tensor, index: Tensor) -> Tensor:
    """values[..., index, :]."""
    chosen = index[..., None, None].expand(*index.shape, 1, values.shape[-1])
    return values.gather(-2, chosen).squeeze(-2)
