"""The magnitude-preserving U-Net of EDM2.

No biases, no group normalization: weights are normalized, sums and concatenations keep magnitudes,
attention compares directions, and the pixels of the encoder are normalized once in each block. Two
kinds of scalars are learned beside the weights: the gain of the output and those of the conditions,
which start at zero. Karras et al. 2024, Analyzing and Improving the Training Dynamics of Diffusion
Models, configuration G.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, scaled_dot_product_attention

from genrl.networks.base import Network, networks
from genrl.networks.blocks import Resample
from genrl.networks.embeddings import check_condition
from genrl.networks.images import check_unet
from genrl.networks.magnitude import MPFourier, MPLayer, mp_cat, mp_silu, mp_sum, normalize
from genrl.typing import Batch, Condition, Data, DataSpec, Labels

LARGEST = 256.0  # activations are clipped to it, for the sake of half precision
BALANCE = 0.3  # share of a residual branch


@networks.register("edm2_unet")
class EDM2UNet(Network):
    """U-Net of EDM2, magnitudes preserved everywhere; its output starts at zero.

    Args:
        spec: images (channels, height, width).
        num_outputs: output channels for each channel of data.
        channels: at the highest resolution.
        channel_multipliers: one for each resolution, highest first; each further one halves height
            and width.
        num_blocks: blocks at each resolution of the encoder (the decoder has one more).
        attention_resolutions: heights in pixels at which each block has attention.
        head_channels: channels of an attention head.
        dropout: probability inside the blocks.

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
        dropout: float = 0.0,
    ) -> None:
        super().__init__(spec, num_outputs)
        check_unet(spec, channels, channel_multipliers, num_blocks, head_channels)
        widths = [multiplier * channels for multiplier in channel_multipliers]
        features = max(widths)
        self.embedding = _Embedding(channels, features, spec)

        def block(
            before: int, after: int, is_encoder: bool, size: int = 0, resample: str = "none"
        ) -> _Block:
            heads = head_channels if size in attention_resolutions else 0
            return _Block(before, after, features, is_encoder, heads, dropout, resample)

        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        self.input = MPLayer(spec.shape[0] + 1, channels, 3)
        width, skips = channels, [channels]
        for depth, after in enumerate(widths):
            size = spec.shape[1] >> depth
            if depth:
                self.encoder.append(block(width, width, True, resample="down"))
                skips.append(width)
            for _ in range(num_blocks):
                self.encoder.append(block(width, after, True, size))
                width = after
                skips.append(width)
        self.middle = nn.ModuleList(
            _Block(width, width, features, False, heads, dropout)
            for heads in (min(head_channels, width), 0)
        )
        for depth, after in reversed(list(enumerate(widths))):
            size = spec.shape[1] >> depth
            for _ in range(num_blocks + 1):
                self.decoder.append(block(width + skips.pop(), after, False, size))
                width = after
            if depth:
                self.decoder.append(block(width, width, False, resample="up"))
        assert not skips
        self.output = MPLayer(width, num_outputs * spec.shape[0], 3)
        self.output_gain = nn.Parameter(torch.zeros(()))
        self.to(memory_format=torch.channels_last)

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        """The raw output, (batch, num_outputs · channels, height, width)."""
        embedding = self.embedding(log_snr, label, w, condition).to(z.dtype)
        # A channel of ones is the network's only bias.
        x = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
        x = self.input(x.contiguous(memory_format=torch.channels_last))
        skips = [x]
        for block in _blocks(self.encoder):
            x = block(x, embedding)
            skips.append(x)
        for block in _blocks(self.middle):
            x = block(x, embedding)
        for block in _blocks(self.decoder):
            if block.resample.direction == "none":
                x = mp_cat(x, skips.pop())
            x = block(x, embedding)
        output: Data = self.output(x, self.output_gain)
        return output


def _blocks(layers: nn.ModuleList) -> "Iterator[_Block]":
    for layer in layers:
        assert isinstance(layer, _Block)
        yield layer


class _Embedding(nn.Module):
    """Log-SNR (as -λ/8, a quarter of log σ), class, condition and guidance weight as one vector."""

    def __init__(self, frequencies: int, features: int, spec: DataSpec) -> None:
        super().__init__()
        self.num_classes = spec.num_classes
        self.noise_features = MPFourier(frequencies)
        self.noise = MPLayer(frequencies, features)
        self.label = MPLayer(spec.num_classes + 1, features) if spec.num_classes else None
        self.condition = MPLayer(spec.condition_size, features) if spec.condition_size else None
        self.guidance_features = MPFourier(32)
        self.guidance = MPLayer(32, features)
        self.guidance_gain = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        log_snr: Batch,
        label: Labels | None,
        w: Batch | None,
        condition: Condition | None,
    ) -> Tensor:
        """(batch, features), activated.

        Raises:
            ValueError: if a condition is missing, or given to a network that takes none.
        """
        check_condition(self.condition is not None, condition)
        dtype = self.noise.weight.dtype
        embedding: Tensor = self.noise(self.noise_features(log_snr / -8).to(dtype))
        if self.label is not None:
            count = self.num_classes + 1
            if label is None:
                label = torch.full((len(log_snr),), self.num_classes, device=log_snr.device)
            choice = one_hot(label, count).to(dtype) * count**0.5
            embedding = mp_sum(embedding, self.label(choice), 0.5)
        if condition is not None and self.condition is not None:
            embedding = mp_sum(embedding, self.condition(condition.to(dtype)), 0.5)
        if w is not None:
            gain = self.guidance_gain
            guidance = self.guidance(self.guidance_features(w / 4).to(dtype), gain)
            embedding = (embedding + guidance) / (1 + gain.square()).sqrt()
        return mp_silu(embedding)


class _Block(nn.Module):
    """Residual branch and attention; the encoder's normalizes its pixels first."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        features: int,
        is_encoder: bool,
        head_channels: int,
        dropout: float,
        resample: str = "none",
    ) -> None:
        super().__init__()
        if head_channels and out_channels % head_channels:
            raise ValueError(
                f"head_channels={head_channels} does not divide the {out_channels} channels "
                "of a block with attention"
            )
        self.is_encoder = is_encoder
        self.num_heads = out_channels // head_channels if head_channels else 0
        self.resample = Resample(resample)
        inner = out_channels if self.is_encoder else in_channels
        self.conv1 = MPLayer(inner, out_channels, 3)
        self.modulation = MPLayer(features, out_channels)
        self.modulation_gain = nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout(dropout)
        self.conv2 = MPLayer(out_channels, out_channels, 3)
        same = in_channels == out_channels
        self.skip = None if same else MPLayer(in_channels, out_channels, 1)
        self.qkv = MPLayer(out_channels, 3 * out_channels, 1) if self.num_heads else None
        self.proj = MPLayer(out_channels, out_channels, 1) if self.num_heads else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width); embedding: (batch, features), activated."""
        x = self.resample(x)
        if self.is_encoder:
            x = x if self.skip is None else self.skip(x)
            x = normalize(x, (1,))
        hidden = self.conv1(mp_silu(x))
        scale = 1 + self.modulation(embedding, self.modulation_gain)
        hidden = mp_silu(hidden * scale[:, :, None, None])
        hidden = self.conv2(self.dropout(hidden))
        if not self.is_encoder and self.skip is not None:
            x = self.skip(x)
        x = mp_sum(x, hidden, BALANCE)
        if self.qkv is not None and self.proj is not None:
            x = mp_sum(x, self.proj(self._attention(self.qkv(x))), BALANCE)
        return x.clamp(-LARGEST, LARGEST)

    def _attention(self, qkv: Tensor) -> Tensor:
        """Attention by the cosine of queries and keys, between all pixels."""
        batch, _, height, width = qkv.shape
        tokens = qkv.flatten(2).transpose(1, 2)
        tokens = tokens.reshape(batch, height * width, 3, self.num_heads, -1)
        query, key, value = normalize(tokens, (4,)).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return attended.transpose(1, 2).reshape(batch, -1, height, width)
