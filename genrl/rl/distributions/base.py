"""The contract of a distribution over actions."""

import abc

import torch
from torch import Tensor

from genrl.diffusion.noise import BatchGenerator


class Distribution(abc.ABC):
    """A batch of distributions over actions; shapes below leave out the action's own dimension.

    Every random number comes from the given generator (None: torch's global one).
    """

    has_rsample: bool = False
    has_density: bool = True

    @abc.abstractmethod
    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One action of each, without gradient."""

    @abc.abstractmethod
    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density (or log-probability) of each action, (batch,)."""

    @property
    @abc.abstractmethod
    def mode(self) -> Tensor:
        """The action of a deterministic evaluation."""

    def rsample_with_log_prob(
        self, generator: BatchGenerator | None = None
    ) -> tuple[Tensor, Tensor]:
        """A reparameterized action and its log-density, gradient through both.

        Raises:
            NotImplementedError: where ``has_rsample`` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} has no reparameterized samples")

    def entropy(self) -> Tensor | None:
        """Entropy of each, (batch,), or None where there is no closed form."""
        return None

    def kl(self, other: "Distribution") -> Tensor:
        """KL(self ‖ other) of each, (batch,).

        Raises:
            NotImplementedError: where there is no closed form for the pair.
        """
        raise NotImplementedError(f"{type(self).__name__} has no closed form of the divergence")

    @abc.abstractmethod
    def detach(self) -> "Distribution":
        """The same without gradient."""
