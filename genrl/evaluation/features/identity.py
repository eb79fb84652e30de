"""No feature at all: the numbers of the data themselves, for points in a plane."""

from genrl.evaluation.features.base import Feature, FeatureOutput, features
from genrl.typing import Data


@features.register("identity")
class IdentityFeature(Feature):
    """The data flattened: embedding = x. For points; distances between pixels mean little."""

    def compute(self, x: Data) -> FeatureOutput:
        return FeatureOutput(x.flatten(1), None)
