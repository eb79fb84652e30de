"""State values by a perceptron: V(s)."""

from torch import Tensor

from genrl.networks.perceptron import Activation, perceptron
from genrl.rl.critics.base import ValueCritic, critics
from genrl.rl.spec import EnvSpec


@critics.register("value")
class ValuePerceptron(ValueCritic):
    """State values V(s) by a perceptron with orthogonal initial weights.

    Args:
        spec: of the environment.
        num_features: size of the input.
        features: of the hidden layers.
        activation: between the layers.

    Raises:
        ValueError: if a size is less than 1.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        *,
        features: tuple[int, ...] = (64, 64),
        activation: Activation = "tanh",
    ) -> None:
        super().__init__(spec, num_features)
        self.network = perceptron((num_features, *features, 1), activation)

    def forward(self, features: Tensor) -> Tensor:
        values: Tensor = self.network(features)
        return values.squeeze(-1)
