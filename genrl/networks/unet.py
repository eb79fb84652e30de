"""The U-Net of image diffusion (ADM family).

Residual blocks whose scale and shift come from the condition, self-attention at chosen resolutions,
skip connections from every encoder block to its decoder block. Dhariwal & Nichol 2021, with the
log-SNR, class and guidance-weight conditions of Salimans & Ho 2022 and Meng et al. 2022.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.functional import silu

from genrl.networks.base import Network, networks
from genrl.networks.blocks import AttentionBlock, ResidualBlock, normalization, zeroed
from genrl.networks.embeddings import ConditionEmbedding
from genrl.networks.fourier import FourierFeatures
from genrl.networks.images import check_unet
from genrl.typing import Batch, Condition, Data, DataSpec, Labels


@networks.register("unet")
class UNet(Network):
    """U-Net with scale-shift residual blocks and attention; its output starts at zero.

    Args:
        spec: images (channels, height, width).
        num_outputs: output channels for each channel of data.
        channels: at the highest resolution.
        channel_multipliers: one for each resolution, highest first; each further one halves height
            and width.
        num_blocks: residual blocks at each resolution of the encoder (the decoder has one more).
        attention_resolutions: heights in pixels at which each block is followed by attention.
        head_channels: channels of an attention head.
        embedding_multiplier: features of the condition vector for each channel.
        dropout: probability inside the residual blocks.
        fourier_exponents: for each n the input also holds sin and cos of 2^n 2π z, which tell apart
            values that lie 2^-n apart; likelihood needs them.

    Raises:
        ValueError: if the data is no image or its size cannot be halved as often as asked, or if a
            number of channels makes no network.
    """

    def __init__(
        self,
        spec: DataSpec,
        num_outputs: int = 1,
        *,
        channels: int = 32,
        channel_multipliers: tuple[int, ...] = (1, 2),
        num_blocks: int = 2,
        attention_resolutions: tuple[int, ...] = (4,),
        head_channels: int = 32,
        embedding_multiplier: int = 4,
        dropout: float = 0.0,
        fourier_exponents: tuple[int, ...] = (),
    ) -> None:
        super().__init__(spec, num_outputs)
        check_unet(spec, channels, channel_multipliers, num_blocks, head_channels)
        data_channels, size, _ = spec.shape
        features = embedding_multiplier * channels
        self.embedding = ConditionEmbedding(features, spec.num_classes, spec.condition_size)
        self.fourier = FourierFeatures(fourier_exponents)
        self.input = nn.Conv2d(self.fourier.multiple * data_channels, channels, 3, padding=1)

        def attention(width: int, resolution: int) -> nn.Module:
            if resolution in attention_resolutions:
                return AttentionBlock(width, head_channels)
            return nn.Identity()

        def block(before: int, after: int, resample: str = "none") -> ResidualBlock:
            return ResidualBlock(before, after, features, dropout, resample)

        self.encoder = nn.ModuleList()
        self.encoder_attention = nn.ModuleList()
        self.decoder = nn.ModuleList()
        self.decoder_attention = nn.ModuleList()
        width, skips = channels, [channels]
        last = len(channel_multipliers) - 1
        for depth, multiplier in enumerate(channel_multipliers):
            resolution = size >> depth
            for _ in range(num_blocks):
                self.encoder.append(block(width, multiplier * channels))
                width = multiplier * channels
                self.encoder_attention.append(attention(width, resolution))
                skips.append(width)
            if depth < last:
                self.encoder.append(block(width, width, "down"))
                self.encoder_attention.append(nn.Identity())
                skips.append(width)
        self.middle = nn.ModuleList([block(width, width), block(width, width)])
        self.middle_attention = AttentionBlock(width, min(head_channels, width))
        for depth, multiplier in reversed(list(enumerate(channel_multipliers))):
            for _ in range(num_blocks + 1):
                self.decoder.append(block(width + skips.pop(), multiplier * channels))
                width = multiplier * channels
                self.decoder_attention.append(attention(width, size >> depth))
            if depth > 0:
                self.decoder.append(block(width, width, "up"))
                self.decoder_attention.append(nn.Identity())
        assert not skips
        self.norm = normalization(width)
        self.output = zeroed(nn.Conv2d(width, num_outputs * data_channels, 3, padding=1))

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
        # Every layer keeps the layout of its input, which is all that decides it.
        x = self.input(self.fourier(z).contiguous(memory_format=_layout(z.device)))
        skips = [x]
        for block, attention in _pairs(self.encoder, self.encoder_attention):
            x = attention(block(x, embedding))
            skips.append(x)
        first, second = self.middle
        x = second(self.middle_attention(first(x, embedding)), embedding)
        for block, attention in _pairs(self.decoder, self.decoder_attention):
            if block.resample.direction == "none":
                x = torch.cat([x, skips.pop()], dim=1)
            x = attention(block(x, embedding))
        output: Data = self.output(silu(self.norm(x)))
        return output


def _layout(device: torch.device) -> torch.memory_format:
    # Tensor cores want channels last. On a CPU convolutions are as fast without, and torch's group
    # normalization, forward and backward, is 4 times as fast, in bf16 15 times.
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _pairs(
    blocks: nn.ModuleList, attentions: nn.ModuleList
) -> Iterator[tuple[ResidualBlock, nn.Module]]:
    for block, attention in zip(blocks, attentions, strict=True):
        assert isinstance(block, ResidualBlock)
        yield block, attention
