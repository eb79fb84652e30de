"""Velocity prediction of flow matching: the network's output is u = ε - x.

x = (z - σ u) / (α + σ),  ε = (z + α u) / (α + σ)

For the schedule ``flow`` (α = 1 - t, σ = t) this is dz/dt and α + σ = 1; with any other schedule
it is the same quantity but not the derivative of the path. Lipman et al. 2023.
"""

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@parameterizations.register("flow_velocity")
class FlowVelocityParameterization(Parameterization):
    """The output is ε - x, the flow-matching velocity; stable at every noise level.

    x = (z - σ u) / (α + σ)
    """

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        return Prediction.from_velocity(output, z, level)

    def output(self, prediction: Prediction) -> Data:
        return prediction.velocity
