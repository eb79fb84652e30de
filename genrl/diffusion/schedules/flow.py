"""The straight path of flow matching and rectified flow.

α = 1 - t,  σ = t,  λ(t) = 2 log((1 - t) / t)

As functions of λ: α = sigmoid(λ/2), σ = sigmoid(-λ/2). The path is not variance preserving. λ is
infinite at both ends, so it is clamped; α and σ follow the clamped λ, and differ from 1 - t and t
by at most e^{-10} by default. Lipman et al. 2023; Liu et al. 2023.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules


@schedules.register("flow")
class FlowSchedule(NoiseSchedule):
    """Data and noise are mixed linearly: α = 1 - t, σ = t, with λ clamped at its infinite ends.

    λ(t) = clamp(2 log((1 - t) / t), λ_min, λ_max)

    Args:
        log_snr_min: λ at and near t = 1.
        log_snr_max: λ at and near t = 0.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max``.
    """

    def __init__(self, *, log_snr_min: float = -20.0, log_snr_max: float = 20.0) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        self.log_snr_min = log_snr_min
        self.log_snr_max = log_snr_max

    def log_snr(self, t: Tensor) -> Tensor:
        time = t.double()
        log_snr = 2 * (torch.log1p(-time) - time.log())
        return log_snr.clamp(self.log_snr_min, self.log_snr_max).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        # A clamped λ belongs to an interval of t; the answer is its outer end.
        time = torch.sigmoid(-log_snr.double() / 2)
        time = torch.where(log_snr <= self.log_snr_min, 1.0, time)
        return torch.where(log_snr >= self.log_snr_max, 0.0, time).to(log_snr.dtype)

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return logsigmoid(log_snr / 2)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return logsigmoid(-log_snr / 2)
