"""The variance-exploding schedule of EDM.

α = 1,  σ(t) = (σ_min^{1/ρ} + t (σ_max^{1/ρ} - σ_min^{1/ρ}))^ρ,  λ = -2 log σ

Noise is added to data that is never shrunk. A uniform grid in t is EDM's grid of noise levels.
Karras et al. 2022, equation 5 and table 1.
"""

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, schedules


@schedules.register("edm")
class EdmSchedule(NoiseSchedule):
    """Variance exploding; σ^{1/ρ} rises linearly from ``sigma_min`` to ``sigma_max``.

    σ(t) = (σ_min^{1/ρ} + t (σ_max^{1/ρ} - σ_min^{1/ρ}))^ρ,  α = 1

    Args:
        sigma_min: σ at t = 0, positive.
        sigma_max: σ at t = 1; it should be large against the data, whose α stays 1.
        rho: how strongly times gather at small σ; 1 is uniform in σ.

    Raises:
        ValueError: unless 0 < sigma_min < sigma_max and rho > 0.
    """

    def __init__(
        self, *, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
    ) -> None:
        super().__init__()
        if not 0 < sigma_min < sigma_max:
            raise ValueError(
                f"0 < sigma_min < sigma_max is needed, not {sigma_min} and {sigma_max}"
            )
        if rho <= 0:
            raise ValueError(f"rho must be positive, not {rho}")
        self.rho = rho
        self.low: float = sigma_min ** (1 / rho)
        self.high: float = sigma_max ** (1 / rho)

    def log_snr(self, t: Tensor) -> Tensor:
        time = t.double()
        root = self.low * (1 - time) + self.high * time
        return (-2 * self.rho * root.log()).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        root = (-log_snr.double() / (2 * self.rho)).exp()
        return ((root - self.low) / (self.high - self.low)).clamp(0, 1).to(log_snr.dtype)

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return torch.zeros_like(log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return -log_snr / 2
