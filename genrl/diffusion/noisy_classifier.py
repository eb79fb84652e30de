"""A classifier of noisy data at every noise level, for classifier guidance.

log p(y | z) = log softmax(W mean(f(u, λ)))_y,  u = α z / (α² + σ²)

f is any network of the framework, without labels; the mean runs over the places of an image. u is
the linear estimate of x from z. The gradient with respect to z thereby has the factor α of the
exact one, so that the guidance's (σ² / α) ∇ log p is bounded where α vanishes. Dhariwal & Nichol
2021, section 4.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrl.diffusion.schedules.base import NoiseLevel
from genrl.networks.base import Network
from genrl.typing import Data

HIDDEN = 64


class NoisyClassifier(nn.Module):
    """Logits of the classes of noisy data.

    Args:
        network: unconditional, with `num_outputs_for` outputs.
        num_classes: at least 2.
    """

    def __init__(self, network: Network, num_classes: int) -> None:
        super().__init__()
        self.network = network
        shape = network.spec.shape
        size = network.num_outputs * (shape[0] if len(shape) == 3 else network.spec.size)
        self.head = nn.Linear(size, num_classes)

    def forward(self, z: Data, level: NoiseLevel) -> Tensor:
        """Unnormalised log-probabilities, "batch classes"."""
        with torch.autocast(z.device.type, enabled=False):
            estimate = level.alpha / (level.alpha**2 + level.sigma**2) * z
            hidden = self.network(estimate, level.log_snr)
            pooled = hidden.flatten(2).mean(dim=2) if hidden.ndim == 4 else hidden.flatten(1)
            logits: Tensor = self.head(functional.silu(pooled))
        return logits


def num_outputs_for(shape: tuple[int, ...]) -> int:
    """Outputs of the network for each channel of data: about `HIDDEN` numbers in all."""
    return max(1, HIDDEN // shape[0])
