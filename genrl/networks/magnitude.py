"""Layers that preserve the magnitude of what they are given, so that nothing drifts in training.

The magnitude of a vector is its root mean square. A layer's weights are unit vectors times √n for
each output, whatever was learned, and are divided by √n when they are used: independent inputs of
magnitude 1 give outputs of magnitude 1. Karras et al. 2024, Analyzing and Improving the Training
Dynamics of Diffusion Models, section 2 and appendix B.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, silu

from genrl.networks.precision import without_autocast
from genrl.sharding import local
from genrl.typing import Batch

SILU_MAGNITUDE = 0.596  # √E silu(x)² of a normal x


def normalize(x: Tensor, dims: tuple[int, ...], eps: float = 1e-4) -> Tensor:
    """x / (ε + magnitude of x over the dimensions), the magnitude in float32."""
    norm = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=_wide(x))
    magnitude = norm * math.sqrt(norm.numel() / x.numel())
    normalized: Tensor = x / (magnitude + eps).to(x.dtype)
    return normalized


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def mp_silu(x: Tensor) -> Tensor:
    """SiLU of a normal input, at magnitude 1."""
    return silu(x) / SILU_MAGNITUDE


def mp_sum(a: Tensor, b: Tensor, share: float) -> Tensor:
    """(1 - s) a + s b at the magnitude of independent a and b."""
    return torch.lerp(a, b, share) / math.hypot(1 - share, share)


def mp_cat(a: Tensor, b: Tensor, share: float = 0.5) -> Tensor:
    """Channels of a and b, of which b has the share s of the magnitude whatever their numbers."""
    count_a, count_b = a.shape[1], b.shape[1]
    scale = math.sqrt((count_a + count_b) / ((1 - share) ** 2 + share**2))
    weight_a = scale * (1 - share) / math.sqrt(count_a)
    weight_b = scale * share / math.sqrt(count_b)
    return torch.cat([weight_a * a, weight_b * b], dim=1)


class MPFourier(nn.Module):
    """√2 cos(2π (f_k s + p_k)) of a scalar, with random frequencies that are kept.

    Args:
        features: number of frequencies.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(features))
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))

    def forward(self, scalar: Batch) -> Tensor:
        """(batch, features), float32 or better."""
        with without_autocast(scalar):
            angles = scalar.to(_wide(scalar))[:, None] * self.frequencies + self.phases
            return math.sqrt(2) * angles.cos()


class MPLayer(nn.Module):
    """A linear layer or a convolution with normalized weights and no bias.

    While it is trained, a call first puts the stored weights back to magnitude 1, so that the
    learning rate keeps its meaning however long it trains. Copies that are not trained (teachers,
    averages) and evaluations never touch what is stored.

    Args:
        inputs: features or channels that come in.
        outputs: features or channels that go out.
        kernel: size of a convolution, odd; 0 for a linear layer.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 0) -> None:
        super().__init__()
        shape = (outputs, inputs, kernel, kernel) if kernel else (outputs, inputs)
        self.weight = nn.Parameter(torch.randn(shape))

    @property
    def _dims(self) -> tuple[int, ...]:
        return tuple(range(1, self.weight.ndim))

    @torch.no_grad()
    def put_back(self) -> None:
        """The stored weights at magnitude 1; of divided ones, this process' outputs."""
        # A second call of the same update must not look like a change to autograd.
        part = local(self.weight.data)
        if part.numel():
            part.copy_(normalize(part, self._dims))

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """The layer's output times a gain.

        Args:
            x: (batch, inputs) or (batch, inputs, height, width).
            gain: scalar.
        """
        if self.training and self.weight.requires_grad and torch.is_grad_enabled():
            self.put_back()
        weight = normalize(self.weight, self._dims)
        weight = (weight * (gain / math.sqrt(weight[0].numel()))).to(x.dtype)
        if weight.ndim == 2:
            return linear(x, weight)
        return conv2d(x, weight, padding=weight.shape[-1] // 2)


def put_back(network: nn.Module) -> None:
    """Put back all of a network's layers, where their calls cannot: they see copies of the parts.

    A second time changes 1e-8 of a weight.
    """
    for layer in network.modules():
        if isinstance(layer, MPLayer):
            layer.put_back()
