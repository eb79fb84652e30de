"""Building blocks of the U-Net: residual block, self-attention, resampling.

Dhariwal & Nichol 2021 (ADM). Every residual branch ends in a layer that starts at zero, so that a
new block is the identity (times a skip projection) and a new network outputs zero.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention, silu

M = TypeVar("M", bound=nn.Module)


def zeroed(layer: M) -> M:
    """The layer with all parameters set to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def normalization(channels: int) -> nn.GroupNorm:
    """Group normalization with 32 groups, or fewer where a group would have one channel."""
    groups = min(32, max(channels // 2, 1))
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


class ResidualBlock(nn.Module):
    """Two convolutions and a condition: x + conv(SiLU((1 + s) · norm(conv(...)) + b)).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        embedding_features: of the condition vector that gives scale s and shift b.
        dropout: probability before the second convolution.
        resample: ``up`` doubles the resolution, ``down`` halves it, ``none`` keeps it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding_features: int,
        dropout: float = 0.0,
        resample: str = "none",
    ) -> None:
        super().__init__()
        self.norm1 = normalization(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.modulation = nn.Linear(embedding_features, 2 * out_channels)
        self.norm2 = normalization(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.resample = Resample(resample)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width); embedding: (batch, features), activated."""
        hidden = self.conv1(self.resample(silu(self.norm1(x))))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.norm2(hidden), 1 + scale)
        hidden = self.conv2(self.dropout(silu(hidden)))
        output: Tensor = self.skip(self.resample(x)) + hidden
        return output


class Resample(nn.Module):
    """Nearest-neighbour doubling, 2x2 mean, or nothing."""

    def __init__(self, direction: str) -> None:
        super().__init__()
        assert direction in ("up", "down", "none"), direction
        self.direction = direction

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, height, width)."""
        if self.direction == "up":
            return interpolate(x, scale_factor=2.0, mode="nearest")
        if self.direction == "down":
            return nn.functional.avg_pool2d(x, 2)
        return x


class AttentionBlock(nn.Module):
    """Self-attention over all pixels, x + proj(attention(norm(x))).

    Args:
        channels: of input and output.
        head_channels: of one head; divides ``channels``.
    """

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        if channels % head_channels:
            raise ValueError(
                f"head_channels={head_channels} does not divide the {channels} channels "
                "of an attention block"
            )
        self.num_heads = channels // head_channels
        self.norm = normalization(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, height, width)."""
        batch, _channels, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        qkv = self.qkv(tokens).view(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(query, key, value)
        output: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return x + output.transpose(1, 2).reshape(x.shape)
