"""Normal distribution with independent components: a = μ + σ ε."""

import torch
from torch import Tensor

from genrl.diffusion.noise import BatchGenerator
from genrl.rl.distributions.base import Distribution
from genrl.rl.distributions.noise import normal_like
from genrl.rl.distributions.normal import HALF_LOG_2PI, divergence, log_density, standardized


class DiagGaussian(Distribution):
    """N(μ, diag σ²).

    Args:
        mean: (..., d).
        log_std: (..., d), or (d,) for all.
    """

    has_rsample = True

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean, self.log_std = mean, log_std

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """μ + σ ε."""
        with torch.no_grad():
            noise = normal_like(self.mean, generator)
            return torch.addcmul(self.mean, noise, self.log_std.exp())

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density."""
        return log_density(standardized(action, self.mean, self.log_std), self.log_std)

    @property
    def mode(self) -> Tensor:
        """μ."""
        return self.mean

    def rsample_with_log_prob(
        self, generator: BatchGenerator | None = None
    ) -> tuple[Tensor, Tensor]:
        """μ + σ ε and its log-density, from ε."""
        noise = normal_like(self.mean, generator)
        action = torch.addcmul(self.mean, noise, self.log_std.exp())
        return action, log_density(noise, self.log_std)

    def entropy(self) -> Tensor:
        """Σ log σ + (d/2) (1 + log 2π)."""
        entropy = self.log_std.sum(-1) + (0.5 + HALF_LOG_2PI) * self.mean.shape[-1]
        return entropy.expand(self.mean.shape[:-1])

    def kl(self, other: Distribution) -> Tensor:
        """Closed form between two of them."""
        if not isinstance(other, DiagGaussian):
            return super().kl(other)
        return divergence(self.mean, self.log_std, other.mean, other.log_std)

    def detach(self) -> "DiagGaussian":
        """The same without gradient."""
        return DiagGaussian(self.mean.detach(), self.log_std.detach())
