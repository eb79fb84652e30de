"""The contract of thresholding: how a predicted x is kept in the range of the data."""

import abc

from genrl.diffusion.prediction import Prediction
from genrl.registry import Registry
from genrl.typing import Data

thresholdings: Registry["Thresholding"] = Registry("thresholding")


class Thresholding(abc.ABC):
    """Limits x, and recomputes ε so that α x + σ ε is still z; never used in training."""

    @abc.abstractmethod
    def limit(self, x: Data) -> Data:
        """x brought into [-1, 1]."""

    def __call__(self, prediction: Prediction, z: Data) -> Prediction:
        """The prediction with x limited and ε recomputed from it, unless ε was chosen apart."""
        if prediction.is_renoised:
            limited = self.limit(prediction.x)
            return Prediction(limited, prediction.eps, prediction.level, is_renoised=True)
        return Prediction.from_x(self.limit(prediction.x), z, prediction.level)
