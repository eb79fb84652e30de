"""Residual convolutions whose dilation doubles: every pixel sees the others without downsampling.

h ← h + W SiLU((1 + s) · norm(conv_{2^k}(h)) + b),  s and b from the condition
"""

from torch import Tensor, nn
from torch.nn.functional import silu

from genrl.networks.base import Network, networks
from genrl.networks.blocks import normalization, zeroed
from genrl.networks.embeddings import ConditionEmbedding
from genrl.typing import Batch, Condition, Data, DataSpec, Labels


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm = normalization(channels)
        self.modulation = nn.Linear(channels, 2 * channels)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        change: Tensor = self.output(silu((1 + scale) * self.norm(self.conv(hidden)) + shift))
        return hidden + change


@networks.register("dilated")
class DilatedNetwork(Network):
    """Convolutions of dilation 1, 2, 4, ... at full resolution; its output starts at zero.

    Args:
        spec: images.
        num_outputs: outputs for each channel.
        channels: of every layer; a multiple of 4, at least 8.
        num_blocks: dilations, at least 1.

    Raises:
        ValueError: if the data are no images, or there is no block.
    """

    def __init__(
        self, spec: DataSpec, num_outputs: int = 1, *, channels: int = 32, num_blocks: int = 3
    ) -> None:
        super().__init__(spec, num_outputs)
        if len(spec.shape) != 3:
            raise ValueError(f"data of the shape {spec.shape} are no images: take network=mlp")
        if num_blocks < 1:
            raise ValueError(f"num_blocks must be at least 1, not {num_blocks}")
        self.embedding = ConditionEmbedding(channels, spec.num_classes, spec.condition_size)
        self.input = nn.Conv2d(spec.shape[0], channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels, 2**k) for k in range(num_blocks))
        self.output = zeroed(nn.Conv2d(channels, num_outputs * spec.shape[0], 3, padding=1))

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output, (batch, num_outputs · channels of the data, height, width)."""
        embedding = silu(self.embedding(log_snr, label, w, condition))
        hidden = self.input(z)
        for block in self.blocks:
            hidden = block(hidden, embedding)
        output: Data = self.output(silu(hidden))
        return output
