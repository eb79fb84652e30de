"""Building blocks against explicit formulas."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, silu

from genrl.networks.blocks import AttentionBlock, Resample, ResidualBlock, normalization, zeroed

F64 = torch.float64


def randomized(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=F64))
    return module.double()


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, 1), (2, 1), (6, 3), (16, 8), (48, 24), (64, 32), (96, 32), (80, 20)],
)
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    norm = normalization(channels)
    assert norm.num_groups == groups
    assert norm.num_channels == channels


def test_zeroed() -> None:
    layer = zeroed(torch.nn.Linear(3, 2))
    assert all(not parameter.any() for parameter in layer.parameters())


@pytest.mark.parametrize("resample", ["none", "up", "down"])
def test_a_new_block_only_resamples(resample: str) -> None:
    block = ResidualBlock(8, 8, 16, resample=resample)
    x = torch.randn(2, 8, 4, 6)
    assert torch.equal(block(x, torch.randn(2, 16)), Resample(resample)(x))


def test_a_new_block_of_other_width_is_its_skip_projection() -> None:
    block = ResidualBlock(8, 12, 16)
    x = torch.randn(2, 8, 4, 6)
    assert torch.equal(block(x, torch.randn(2, 16)), block.skip(x))


@pytest.mark.parametrize("resample", ["none", "up", "down"])
@pytest.mark.parametrize("out_channels", [6, 8])
def test_residual_block_formula(resample: str, out_channels: int) -> None:
    block = randomized(ResidualBlock(6, out_channels, 5, resample=resample))
    x, embedding = torch.randn(3, 6, 4, 8, dtype=F64), torch.randn(3, 5, dtype=F64)

    def norm(value: Tensor, layer: torch.nn.GroupNorm) -> Tensor:
        return group_norm(value, layer.num_groups, layer.weight, layer.bias)

    hidden = silu(norm(x, block.norm1))
    hidden, skip = (resampled(value, resample) for value in (hidden, x))
    hidden = norm(conv2d(hidden, block.conv1.weight, block.conv1.bias, padding=1), block.norm2)
    modulation = embedding @ block.modulation.weight.T + block.modulation.bias
    scale, shift = modulation[:, :out_channels], modulation[:, out_channels:]
    hidden = (1 + scale[..., None, None]) * hidden + shift[..., None, None]
    hidden = conv2d(silu(hidden), block.conv2.weight, block.conv2.bias, padding=1)
    if out_channels != 6:
        skip = conv2d(skip, block.skip.weight, block.skip.bias)
    torch.testing.assert_close(block(x, embedding), skip + hidden, rtol=1e-12, atol=1e-12)


def resampled(x: Tensor, direction: str) -> Tensor:
    """The same by indexing."""
    if direction == "up":
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    if direction == "down":
        corners = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return torch.stack(corners).mean(dim=0)
    return x


def test_dropout_works_in_training_alone() -> None:
    block = ResidualBlock(8, 8, 4, dropout=0.5)
    torch.nn.init.normal_(block.conv2.weight)
    x, embedding = torch.randn(2, 8, 4, 4), torch.randn(2, 4)
    assert not torch.equal(block(x, embedding), block(x, embedding))
    block.eval()
    assert torch.equal(block(x, embedding), block(x, embedding))


@pytest.mark.parametrize("head_channels", [4, 6, 12])
def test_attention_is_an_explicit_softmax(head_channels: int) -> None:
    block = randomized(AttentionBlock(12, head_channels))
    x = torch.randn(2, 12, 3, 5, dtype=F64)
    heads = 12 // head_channels
    norm = group_norm(x, block.norm.num_groups, block.norm.weight, block.norm.bias)
    tokens = norm.flatten(2).transpose(1, 2)
    query, key, value = (tokens @ block.qkv.weight.T + block.qkv.bias).chunk(3, dim=2)
    parts = []
    for head in range(heads):
        own = slice(head * head_channels, (head + 1) * head_channels)
        scores = torch.einsum("bic,bjc->bij", query[..., own], key[..., own]) / head_channels**0.5
        parts.append(torch.einsum("bij,bjc->bic", scores.softmax(dim=2), value[..., own]))
    attended = torch.cat(parts, dim=2) @ block.proj.weight.T + block.proj.bias
    expected = x + attended.transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


def test_attention_knows_no_positions() -> None:
    block = randomized(AttentionBlock(8, 4))
    x = torch.randn(1, 8, 3, 4, dtype=F64)
    order = torch.randperm(12)
    shuffled = x.flatten(2)[:, :, order].view_as(x)
    expected = block(x).flatten(2)[:, :, order].view_as(x)
    torch.testing.assert_close(block(shuffled), expected, rtol=1e-12, atol=1e-12)


def test_new_attention_is_the_identity() -> None:
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(AttentionBlock(8, 4)(x), x)


def test_heads_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="head_channels=5 does not divide the 12 channels"):
        AttentionBlock(12, 5)
