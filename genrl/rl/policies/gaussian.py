"""A Gaussian policy over actions without hard bounds."""

from typing import Literal

from torch import Tensor

from genrl.networks.perceptron import Activation
from genrl.rl.distributions.diag_gaussian import DiagGaussian
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import GaussianHead
from genrl.rl.spec import EnvSpec


@policies.register("gaussian")
class GaussianPolicy(StochasticPolicy):
    """N(μ(s), σ²), with a free or a state-dependent standard deviation.

    Args:
        spec: of the environment.
        features: widths of the hidden layers.
        activation: between them.
        std: ``free``, one number for each of the action's, or ``state``, computed from the state.
        initial_log_std: log σ at the start.

    Raises:
        ConfigurationError: if actions are discrete.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
        std: Literal["free", "state"] = "free",
        initial_log_std: float = 0.0,
    ) -> None:
        super().__init__(spec)
        self.head = GaussianHead(
            spec, spec.obs_size, features, activation, std=std, initial_log_std=initial_log_std
        )

    def forward(self, features: Tensor) -> DiagGaussian:
        """Gaussian."""
        distribution: DiagGaussian = self.head(features)
        return distribution
