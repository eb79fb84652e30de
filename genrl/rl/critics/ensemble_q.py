"""Many action values and the expected minimum of a few of them.

Chen et al. 2021, Randomized Ensembled Double Q-Learning; `genrl.rl.critics.scalar` has the formula.
"""

from genrl.networks.perceptron import Activation
from genrl.rl.critics.base import critics
from genrl.rl.critics.scalar import ScalarQCritic
from genrl.rl.spec import EnvSpec


@critics.register("ensemble_q")
class EnsembleQCritic(ScalarQCritic):
    """Many action values in one batched product, and the expected minimum of a few (REDQ).

    y = r + γ E min of ``subset`` members; ``subset = members`` is the minimum of all (SAC-N), 1
    their mean. The policy is improved by the same estimate.

    Args:
        spec: of the environment.
        num_features: size of the policy's features.
        members: of the ensemble, >= 1.
        subset: members whose minimum is taken, in 1..members.
        features: of the hidden layers.
        activation: between the layers.

    Raises:
        ValueError: if ``subset`` or a size is out of range.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_features: int,
        *,
        members: int = 10,
        subset: int = 2,
        features: tuple[int, ...] = (256, 256),
        activation: Activation = "relu",
    ) -> None:
        super().__init__(spec, num_features, members, subset, features, activation)
