"""The network gives x̃ and ε̃, and each counts where it is accurate.

x = (σ² x̃ + α (z - σ ε̃)) / (α² + σ²),  ε = (σ z - α σ x̃ + α² ε̃) / (α² + σ²)

That is the mean of x̃ and (z - σ ε̃) / α with weights σ² and α², which add up to one where
variance is preserved. ε follows from z = α x + σ ε with the division carried out by hand. Salimans
& Ho 2022, section 4.
"""

from typing import ClassVar

import torch

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@parameterizations.register("both")
class BothParameterization(Parameterization):
    """The output holds x̃ and ε̃ along its first dimension (channels); λ decides which one counts.

    x = (σ² x̃ + α (z - σ ε̃)) / (α² + σ²)
    """

    num_outputs: ClassVar[int] = 2

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        x_part, eps_part = output.chunk(2, dim=1)
        alpha, sigma = level.alpha, level.sigma
        norm = alpha**2 + sigma**2
        x = (sigma**2 * x_part + alpha * (z - sigma * eps_part)) / norm
        eps = (sigma * z - alpha * sigma * x_part + alpha**2 * eps_part) / norm
        return Prediction(x, eps, level)

    def output(self, prediction: Prediction) -> Data:
        return torch.cat([prediction.x, prediction.eps], dim=1)
