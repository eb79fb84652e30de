"""A single action value Q(s, a), as DDPG has it: overestimates where actions maximize it."""

from genrl.networks.perceptron import Activation
from genrl.rl.critics.base import critics
from genrl.rl.critics.scalar import ScalarQCritic
from genrl.rl.spec import EnvSpec


@critics.register("q")
class QPerceptron(ScalarQCritic):
    """One action value Q(s, a) by a perceptron; its target is r + γ Q(s', a').

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
        super().__init__(spec, num_features, 1, 1, features, activation)
