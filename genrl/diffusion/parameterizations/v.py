"""Velocity prediction of progressive distillation: the network's output is v = α ε - σ x.

x = α z - σ v,  ε = σ z + α v  (variance preserving; divided by α² + σ² otherwise)

Neither α nor σ is divided by, so both ends of the schedule are stable. Salimans & Ho 2022, section
4.
"""

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@parameterizations.register("v")
class VParameterization(Parameterization):
    """The output is v = α ε - σ x; stable at every noise level.

    x = (α z - σ v) / (α² + σ²)
    """

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        return Prediction.from_v(output, z, level)

    def output(self, prediction: Prediction) -> Data:
        return prediction.v
