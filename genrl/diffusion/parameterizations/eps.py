"""Noise prediction: the network's output is ε.

x = (z - σ ε) / α

An error of ε becomes an error of x that is e^{-λ/2} times as large, 22,000-fold at λ = -20: of no
use where the signal vanishes, as in distillation to few steps. Ho et al. 2020.
"""

import torch

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.typing import Data

LEAST_LOG_SNR = -15.0  # there an error of ε is one of x 1,800 times as large


@parameterizations.register("eps")
class EpsParameterization(Parameterization):
    """The output is the noise ε; unfit near zero SNR.

    x = (z - σ ε) / α
    """

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        return Prediction.from_eps(output, z, level)

    def output(self, prediction: Prediction) -> Data:
        return prediction.eps

    def objection(self, schedule: NoiseSchedule) -> str | None:
        lowest = schedule.log_snr(torch.ones((), dtype=torch.float64)).item()
        if lowest >= LEAST_LOG_SNR:
            return None
        return (
            f"x = (z - σ ε) / α has nothing to divide at log-SNR {lowest:.0f}, where the schedule "
            "ends: take parameterization=v, or an end above -15"
        )
