"""A learned log-variance for each noise level, which lets every level count the same.

E [w(t) ||x - x̂||² / e^{u(λ)} + u(λ)]

At the best u, e^u is the expected weighted error at that noise level, so that the network's
gradient is that of the logarithm of the error: levels with large and with small errors pull alike,
whatever w was, and the balance follows the training. u starts at zero and is not needed after
training.
Kendall, Gal & Cipolla 2018; Karras et al. 2024, Analyzing and Improving the Training Dynamics of
Diffusion Models, section 2 and equation 14.
"""

import torch
from torch import Tensor, nn

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.networks.embeddings import SinusoidalEmbedding
from genrl.registry import ConfigurationError
from genrl.typing import Batch


class LogVariance(nn.Module):
    """u(λ): one linear layer on sine and cosine features of log-SNR; it starts at zero.

    Args:
        features: even number of features, at least 4.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        # Wave lengths from 300 down to 3 units of λ: the error is a smooth function of it.
        self.features = SinusoidalEmbedding(features, 0.02, 2.0)
        self.output = nn.Linear(features, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to zero everywhere."""
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, log_snr: Batch) -> Batch:
        """u at each log-SNR, float32."""
        with torch.autocast(log_snr.device.type, enabled=False):
            value: Tensor = self.output(self.features(log_snr.float()))
        return value[:, 0]


@weightings.register("learned_uncertainty")
class LearnedUncertaintyWeighting(Weighting):
    """Another weighting over a learned variance: each noise level ends at the same loss.

    w(t) ||x - x̂||² / e^{u(λ)} + u(λ)

    Args:
        base: name of the weighting w; it decides where u starts, not where it ends.
        features: of u(λ), an even number from 4 on.

    Raises:
        ValueError: if ``base`` is this weighting itself or unknown, or ``features`` is odd or less
            than 4.
    """

    def __init__(
        self, schedule: NoiseSchedule, *, base: str = "snr_plus_one", features: int = 64
    ) -> None:
        super().__init__(schedule)
        if base == "learned_uncertainty":
            raise ConfigurationError("learned_uncertainty needs another weighting as its base")
        self.base = weightings.build(base, schedule)
        # Not registered on a module of its own: the schedule belongs to the denoiser.
        self.trainable: LogVariance = LogVariance(features)

    def __call__(self, t: Batch) -> Batch:
        return self.base(t)

    def log_variance(self, t: Batch) -> Batch:
        with torch.no_grad():
            log_snr = self.schedule.log_snr(t.double())
        value: Tensor = self.trainable(log_snr)
        return value
