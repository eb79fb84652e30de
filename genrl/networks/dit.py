"""The diffusion transformer (DiT) with adaLN-zero.

The image is cut into patches, each a token with a fixed 2-D sin-cos position. A block is

    h ← h + g₁ ⊙ attention(s₁ ⊙ norm(h) + b₁),   h ← h + g₂ ⊙ mlp(s₂ ⊙ norm(h) + b₂)

where the scales 1 + s, shifts b and gates g are linear in the activated condition vector and start
at zero: a new block is the identity, and a new network outputs zero. Peebles & Xie 2023.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from genrl.networks.base import Network, networks
from genrl.networks.blocks import zeroed
from genrl.networks.embeddings import ConditionEmbedding
from genrl.networks.images import check_images
from genrl.typing import Batch, Condition, Data, DataSpec, Labels


@networks.register("dit")
class DiT(Network):
    """Diffusion transformer over patches with adaLN-zero; its output starts at zero.

    Args:
        spec: images (channels, height, width).
        num_outputs: output channels for each channel of data.
        patch_size: height and width of a patch in pixels; divides those of the image.
        width: features of a token, a multiple of 4 from 8 on.
        depth: number of blocks.
        num_heads: of the attention; divides ``width``.
        mlp_ratio: hidden features of a block's perceptron for each feature of a token.
        dropout: probability after attention and perceptron.

    Raises:
        ValueError: if the data is no image, or a size does not divide another.
    """

    positions: Tensor

    def __init__(
        self,
        spec: DataSpec,
        num_outputs: int = 1,
        *,
        patch_size: int = 2,
        width: int = 64,
        depth: int = 4,
        num_heads: int = 4,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(spec, num_outputs)
        _check(spec, patch_size, width, depth, num_heads)
        channels, height, columns = spec.shape
        self.patch_size = patch_size
        self.embedding = ConditionEmbedding(width, spec.num_classes, spec.condition_size)
        self.input = nn.Linear(channels * patch_size**2, width)
        self.blocks = nn.ModuleList(
            _Block(width, num_heads, round(mlp_ratio * width), dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, num_outputs * channels * patch_size**2)
        positions = sin_cos_positions(height // patch_size, columns // patch_size, width)
        self.register_buffer("positions", positions, persistent=False)
        self._initialize()

    def _initialize(self) -> None:
        """Xavier's weights, zero biases, and zero where a layer opens a gate or is the output."""
        for layer in [self.input, *self.blocks.modules()]:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        for block in self.blocks:
            assert isinstance(block, _Block)
            zeroed(block.modulation)
        zeroed(self.modulation)
        zeroed(self.output)

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output, (batch, num_outputs · channels, height, width)."""
        embedding = silu(self.embedding(log_snr, label, w, condition))
        hidden = self.input(to_patches(z, self.patch_size)) + self.positions.to(z.dtype)
        for block in self.blocks:
            hidden = block(hidden, embedding)
        scale, shift = self.modulation(embedding)[:, None].chunk(2, dim=-1)
        hidden = torch.addcmul(shift, self.norm(hidden), 1 + scale)
        return from_patches(self.output(hidden), self.patch_size, *z.shape[2:])


class _Block(nn.Module):
    """Attention and perceptron, each behind a norm with scale and shift and before a gate."""

    def __init__(self, width: int, num_heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.modulation = nn.Linear(width, 6 * width)
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """hidden: (batch, tokens, width); embedding: (batch, width), activated."""
        modulation = self.modulation(embedding)[:, None].chunk(6, dim=-1)
        scale1, shift1, gate1, scale2, shift2, gate2 = modulation
        inner = torch.addcmul(shift1, self.norm1(hidden), 1 + scale1)
        hidden = torch.addcmul(hidden, gate1, self.dropout(self._attention(inner)))
        inner = torch.addcmul(shift2, self.norm2(hidden), 1 + scale2)
        return torch.addcmul(hidden, gate2, self.dropout(self.mlp(inner)))

    def _attention(self, tokens: Tensor) -> Tensor:
        batch, count, _ = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.num_heads, -1)
        attended = scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        output: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return output


def to_patches(image: Tensor, size: int) -> Float[Tensor, "batch tokens features"]:
    """Patches of size x size pixels, row by row; features are (channel, row, column)."""
    return nn.functional.unfold(image, size, stride=size).transpose(1, 2)


def from_patches(tokens: Tensor, size: int, height: int, width: int) -> Data:
    """Inverse of `to_patches`."""
    return nn.functional.fold(tokens.transpose(1, 2), (height, width), size, stride=size)


def sin_cos_positions(rows: int, columns: int, features: int) -> Float[Tensor, "tokens features"]:
    """Half of the features for the column of a token, half for its row.

    Frequencies fall geometrically from 1 to 1/10,000 (Vaswani et al. 2017).
    """
    count = features // 4
    exponent = torch.arange(count, dtype=torch.float64) / count
    frequencies = 10_000.0**-exponent

    def encode(length: int) -> Tensor:
        angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    column = encode(columns).expand(rows, -1, -1)
    row = encode(rows)[:, None].expand(-1, columns, -1)
    return torch.cat([column, row], dim=2).flatten(0, 1).float()


def _check(spec: DataSpec, patch_size: int, width: int, depth: int, num_heads: int) -> None:
    check_images(spec, "a diffusion transformer")
    if min(patch_size, width, depth, num_heads) < 1:
        raise ValueError(
            "patch_size, width, depth and num_heads must be at least 1, "
            f"not {patch_size}, {width}, {depth} and {num_heads}"
        )
    if spec.shape[1] % patch_size or spec.shape[2] % patch_size:
        raise ValueError(
            f"patches of patch_size={patch_size} do not tile images of "
            f"{spec.shape[1]}x{spec.shape[2]}; give a size that divides both"
        )
    if width % num_heads:
        raise ValueError(f"num_heads={num_heads} does not divide the width of {width}")
