"""A single action."""

import torch
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.distributions.base import Distribution


class Dirac(Distribution):
    """Always the same action; `mode` carries the gradient of a deterministic policy.

    Args:
        action: (..., d).
    """

    has_density = False

    def __init__(self, action: Tensor) -> None:
        self.action = action

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The action, without gradient."""
        return self.action.detach()

    def log_prob(self, action: Tensor) -> Tensor:
        """Refused.

        Raises:
            ConfigurationError: always; a value would let an algorithm learn nothing, unseen.
        """
        raise ConfigurationError(
            "a deterministic policy has no density: take policy=gaussian or tanh_gaussian, or an "
            "algorithm that needs none (td3, es)"
        )

    @property
    def mode(self) -> Tensor:
        """The action."""
        return self.action

    def detach(self) -> "Dirac":
        """The same without gradient."""
        return Dirac(self.action.detach())
