"""No thresholding, for data that is not bounded."""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.thresholding.base import Thresholding, thresholdings
from genrl.typing import Data


@thresholdings.register("none")
class NoThresholding(Thresholding):
    """Leaves x and ε as they are, to the last bit."""

    def limit(self, x: Data) -> Data:
        return x

    def __call__(self, prediction: Prediction, z: Data) -> Prediction:
        return prediction
