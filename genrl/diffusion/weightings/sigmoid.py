"""The variational bound without the noise levels that only the eye of a bound sees.

L = ½ E_t[-λ'(t) sigmoid(b - λ) ||ε - ε̂||²], as a weight on x: w = -½ λ'(t) e^b sigmoid(λ - b)

A weight that falls monotonically with λ makes this the bound of data with noise added. Divided by
-λ'(t) it depends on λ alone, so that the schedule changes only the variance of the loss. Kingma &
Gao 2023, who take b = 2; Hoogeboom et al. 2024 (simpler diffusion) take b = -3 at high resolution.
"""

import math

import torch

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("sigmoid")
class SigmoidWeighting(Weighting):
    """The bound's weight times sigmoid(b - λ): log-SNR above b hardly counts.

    w(t) = -½ λ'(t) e^b sigmoid(λ - b)

    Args:
        bias: b, log-SNR where the weight is half of the bound's; the bound itself at infinity.
    """

    def __init__(self, schedule: NoiseSchedule, *, bias: float = 2.0) -> None:
        super().__init__(schedule)
        self.bias = bias

    def __call__(self, t: Batch) -> Batch:
        time = t.double()
        share = math.exp(self.bias) * torch.sigmoid(self.schedule.log_snr(time) - self.bias)
        return (-0.5 * share * self.schedule.log_snr_derivative(time)).to(t.dtype)
