"""Two action values, of which the lesser counts.

Fujimoto et al. 2018, Addressing Function Approximation Error in Actor-Critic Methods.
"""

from genrl.networks.perceptron import Activation
from genrl.rl.critics.base import critics
from genrl.rl.critics.scalar import ScalarQCritic
from genrl.rl.spec import EnvSpec


@critics.register("twin_q")
class TwinQCritic(ScalarQCritic):
    """Two action values in one batched product; the target is r + γ min(Q_1, Q_2)(s', a').

    Args:
        spec: of the environment.
        num_features: size of the policy's features.
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
        features: tuple[int, ...] = (256, 256),
        activation: Activation = "relu",
    ) -> None:
        super().__init__(spec, num_features, 2, 2, features, activation)
