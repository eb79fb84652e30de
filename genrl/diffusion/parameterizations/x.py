"""Data prediction: the network's output is x.

ε = (z - α x) / σ

Good at every noise level for sampling; ε itself is inaccurate at high SNR, where a sampler
multiplies it by a small σ again. Salimans & Ho 2022, section 4.
"""

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@parameterizations.register("x")
class XParameterization(Parameterization):
    """The output is the clean data x.

    ε = (z - α x) / σ
    """

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        return Prediction.from_x(output, z, level)

    def output(self, prediction: Prediction) -> Data:
        return prediction.x
