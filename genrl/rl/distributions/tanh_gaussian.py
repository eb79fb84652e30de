"""Normal distribution squashed onto bounds: a = center + scale tanh u, u ~ N(μ, diag σ²).

log π(a) = log N(u) - Σ log(1 - tanh² u) - Σ log scale

The middle term is exact in both directions, at any u in any precision. Going forward, u is kept:
log(1 - tanh² u) = 2 log 2 - 2 log(e^u + e^-u), which is -38.6 at u = 20 where adding 1e-6 inside
the logarithm would give -13.8. Of a given action, with x = (a - center) / scale:
u = ½ (log1p(x) - log1p(-x)) and log(1 - x²) = log1p(x) + log1p(-x).

Of a sample u = μ + σ ε, with t = tanh u, what is learned from are
∂a/∂u = scale (1 - t²),  ∂log π/∂u = 2 t,  ∂log π/∂log σ at fixed u = -1,  ∂u/∂log σ = σ ε

Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications, appendix C.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genrl.diffusion.noise import BatchGenerator
from genrl.rl.distributions.base import Distribution
from genrl.rl.distributions.bounds import Bounds
from genrl.rl.distributions.noise import normal_like
from genrl.rl.distributions.normal import HALF_LOG_2PI, divergence, log_density, standardized

_PER_COMPONENT = HALF_LOG_2PI + 2 * math.log(2)


class TanhGaussian(Distribution):
    """center + scale tanh(N(μ, diag σ²)).

    Args:
        mean: of u, (..., d).
        log_std: of u, (..., d), or (d,) for all.
        bounds: of the action.
    """

    has_rsample = True

    def __init__(self, mean: Tensor, log_std: Tensor, bounds: Bounds) -> None:
        self.mean, self.log_std, self.bounds = mean, log_std, bounds

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The image of μ + σ ε."""
        with torch.no_grad():
            noise = normal_like(self.mean, generator)
            return self._squashed(torch.addcmul(self.mean, noise, self.log_std.exp()))

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density; actions at the bounds or beyond count as the last ones inside."""
        x = self.bounds.inverse(action)
        above, below = x.log1p(), (-x).log1p()
        volume = (above + below).sum(-1) + self.bounds.log_volume
        u = 0.5 * (above - below)
        return log_density(standardized(u, self.mean, self.log_std), self.log_std) - volume

    @property
    def mode(self) -> Tensor:
        """The image of μ: the median; the density's maximum may lie at a bound."""
        return self._squashed(self.mean)

    def rsample_with_log_prob(
        self, generator: BatchGenerator | None = None
    ) -> tuple[Tensor, Tensor]:
        """The image of u = μ + σ ε; its log-density from u, not from the rounded action."""
        noise = normal_like(self.mean, generator)
        log_std = self.log_std.expand_as(self.mean)
        action: Tensor
        log_prob: Tensor
        action, log_prob = _Squashed.apply(self.mean, log_std, noise, self.bounds)
        return action, log_prob

    def kl(self, other: Distribution) -> Tensor:
        """Of two on the same bounds: an invertible map leaves the divergence of u as it is."""
        if not isinstance(other, TanhGaussian):
            return super().kl(other)
        return divergence(self.mean, self.log_std, other.mean, other.log_std)

    def detach(self) -> "TanhGaussian":
        """The same without gradient."""
        return TanhGaussian(self.mean.detach(), self.log_std.detach(), self.bounds)

    def _squashed(self, u: Tensor) -> Tensor:
        # The buffers by themselves: calling a module costs more than the product.
        return torch.addcmul(self.bounds.center, u.tanh(), self.bounds.scale)


class _Squashed(torch.autograd.Function):
    """The image of μ + σ ε and its log-density, in a third of the operations of their parts."""

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, log_std: Tensor, noise: Tensor, bounds: Bounds
    ) -> tuple[Tensor, Tensor]:
        deviation = log_std.exp().mul_(noise)
        u = mean + deviation
        t = u.tanh()
        ctx.save_for_backward(deviation, t, bounds.scale)
        log_prob = torch.logaddexp(u, -u).mul_(2).sub_(log_std)
        log_prob = log_prob.addcmul_(noise, noise, value=-0.5).sum(-1)
        log_prob -= mean.shape[-1] * _PER_COMPONENT + bounds.log_volume
        return torch.addcmul(bounds.center, t, bounds.scale), log_prob

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_action: Tensor, of_log_prob: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        deviation, t, scale = ctx.saved_tensors
        of_log_prob = of_log_prob[..., None]
        of_u = (1 - t * t).mul_(of_action * scale).addcmul_(t, of_log_prob, value=2)
        return of_u, (of_u * deviation).sub_(of_log_prob), None, None
