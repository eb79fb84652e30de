"""A categorical policy over discrete actions."""

from torch import Tensor

from genrl.networks.perceptron import Activation
from genrl.rl.distributions.categorical import Categorical
from genrl.rl.policies.base import StochasticPolicy, policies
from genrl.rl.policies.heads import CategoricalHead
from genrl.rl.spec import EnvSpec


@policies.register("categorical")
class CategoricalPolicy(StochasticPolicy):
    """softmax of a perceptron over discrete actions.

    Args:
        spec: of the environment.
        features: widths of the hidden layers.
        activation: between them.

    Raises:
        ConfigurationError: if actions are continuous.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
    ) -> None:
        super().__init__(spec)
        self.head = CategoricalHead(spec, spec.obs_size, features, activation)

    def forward(self, features: Tensor) -> Categorical:
        """softmax."""
        distribution: Categorical = self.head(features)
        return distribution
