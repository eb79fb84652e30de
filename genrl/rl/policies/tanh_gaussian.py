"""A tanh-Gaussian policy: bounded actions with an exact density (Haarnoja et al. 2018)."""

from torch import Tensor

from genrl.networks.perceptron import Activation, Initialization
from genrl.rl.distributions.tanh_gaussian import TanhGaussian
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import TanhGaussianHead
from genrl.rl.spec import EnvSpec


@policies.register("tanh_gaussian")
class TanhGaussianPolicy(StochasticPolicy):
    """center + scale tanh(N(μ(s), σ(s)²)) onto the environment's bounds.

    Args:
        spec: of the environment, with bounded actions.
        features: widths of the hidden layers.
        activation: between them.
        initial_log_std: log σ at the start, before squashing.
        min_log_std: least log σ.
        max_log_std: greatest log σ.
        init: of the weights; ``default`` is torch's.

    Raises:
        ConfigurationError: if actions are discrete or have no bounds.
        ValueError: if the limits of log σ are not in order.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "relu",
        initial_log_std: float = 0.0,
        min_log_std: float = -20.0,
        max_log_std: float = 2.0,
        init: Initialization = "default",
    ) -> None:
        super().__init__(spec)
        self.head = TanhGaussianHead(
            spec,
            spec.obs_size,
            features,
            activation,
            initial_log_std=initial_log_std,
            limits=(min_log_std, max_log_std),
            init=init,
        )

    def forward(self, features: Tensor) -> TanhGaussian:
        """Squashed Gaussian."""
        return self.head.forward(features)
