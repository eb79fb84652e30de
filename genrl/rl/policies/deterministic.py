"""A deterministic policy: a = center + scale tanh(f(s)) (Lillicrap et al. 2016, DDPG)."""

import torch
from torch import Tensor

from genrl.networks.perceptron import Activation, Initialization, perceptron
from genrl.rl.distributions.dirac import Dirac
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.requirements import bounds_of
from genrl.rl.spec import EnvSpec


@policies.register("deterministic")
class DeterministicPolicy(StochasticPolicy):
    """center + scale tanh(f(s)) onto the environment's bounds; it has no density.

    Args:
        spec: of the environment, with bounded actions.
        features: widths of the hidden layers; none makes it linear before the tanh.
        activation: between them.
        init: of the weights; ``default`` is torch's.

    Raises:
        ConfigurationError: if actions are discrete or have no bounds.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "relu",
        init: Initialization = "default",
    ) -> None:
        super().__init__(spec)
        self.bounds = bounds_of(spec, "a deterministic policy")
        sizes = (spec.obs_size, *features, spec.action_size)
        self.network = perceptron(sizes, activation, init=init)

    def forward(self, features: Tensor) -> Dirac:
        """All mass on one action."""
        return Dirac(self.bounds(self.network(features).tanh()))

    def cloning_loss(
        self,
        obs: Tensor,
        action: Tensor,
        valid: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Squared error in units of half the bounds' width, the mean over the action's numbers."""
        difference = (self(obs).mode - action) / self.bounds.scale
        error = difference.square().mean(-1)
        mean: Tensor = (error * valid).sum(1) / valid.sum(1)
        return mean
