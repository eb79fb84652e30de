"""The U-Net: its size counted by hand, what it starts as, what it listens to."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.networks import UNet, networks, unet
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SMALL: dict[str, Any] = {"channels": 8, "head_channels": 8, "num_blocks": 1}


def randomized(network: UNet) -> UNet:
    """A network as it may be after training: nothing is zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def conv(before: int, after: int, size: int = 3) -> int:
    return before * after * size**2 + after


def linear(before: int, after: int) -> int:
    return before * after + after


def block(before: int, after: int, features: int) -> int:
    skip = 0 if before == after else conv(before, after, 1)
    norms = 2 * before + 2 * after
    return norms + conv(before, after) + linear(features, 2 * after) + conv(after, after) + skip


def attention(channels: int) -> int:
    return 2 * channels + linear(channels, 3 * channels) + linear(channels, channels)


def test_number_of_parameters() -> None:
    """Two resolutions of 16 and 32 channels, two blocks each, attention at 4x4 only."""
    network = UNet(
        DataSpec((3, 8, 8), 10),
        2,
        channels=16,
        channel_multipliers=(1, 2),
        num_blocks=2,
        attention_resolutions=(4,),
        head_channels=16,
    )
    f = 64
    embedding = linear(32, f) + 32 * f + linear(f, f) + 11 * f
    encoder = conv(3, 16) + 2 * block(16, 16, f) + block(16, 16, f)
    encoder += block(16, 32, f) + block(32, 32, f) + 2 * attention(32)
    middle = 2 * block(32, 32, f) + attention(32)
    # Skips from the end: 32, 32, 16 (down) at 4x4; 16, 16, 16 (input) at 8x8.
    decoder = 2 * block(64, 32, f) + block(48, 32, f) + 3 * attention(32) + block(32, 32, f)
    decoder += block(48, 16, f) + 2 * block(32, 16, f)
    end = 2 * 16 + conv(16, 6)
    expected = embedding + encoder + middle + decoder + end
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (3, 8, 12), (2, 4, 4)])
@pytest.mark.parametrize("num_outputs", [1, 2])
def test_output_starts_at_zero_in_the_shape_of_the_data(
    shape: tuple[int, ...], num_outputs: int
) -> None:
    network = UNet(DataSpec(shape, 3), num_outputs, **SMALL)
    output = network(torch.randn(2, *shape), torch.randn(2), torch.tensor([0, 2]), torch.rand(2))
    assert output.shape == (2, num_outputs * shape[0], *shape[1:])
    assert not output.any()
    assert randomized(network)(torch.randn(2, *shape), torch.randn(2)).any()


def test_guidance_weight_counts_only_once_it_is_learned() -> None:
    network = randomized(UNet(DataSpec((1, 8, 8), 3), **SMALL))
    z, log_snr, label = torch.randn(2, 1, 8, 8), torch.randn(2), torch.tensor([0, 2])
    torch.nn.init.zeros_(network.embedding.guidance.weight)
    with torch.no_grad():
        without = network(z, log_snr, label)
        assert torch.equal(network(z, log_snr, label, torch.tensor([0.0, 4.0])), without)
        torch.nn.init.normal_(network.embedding.guidance.weight)
        assert not torch.allclose(network(z, log_snr, label, torch.tensor([0.0, 4.0])), without)


def test_every_condition_matters() -> None:
    network = randomized(UNet(DataSpec((1, 8, 8), 3), **SMALL))
    z, zeros = torch.randn(1, 1, 8, 8), torch.zeros(1)
    first, last = torch.tensor([0]), torch.tensor([2])

    def differ(a: Tensor, b: Tensor) -> bool:
        return (a - b).abs().max().item() > 1e-3

    with torch.no_grad():
        base = network(z, zeros, first, zeros)
        assert differ(base, network(z + 1, zeros, first, zeros))
        assert differ(base, network(z, zeros + 1, first, zeros))
        assert differ(base, network(z, zeros, last, zeros))
        assert differ(base, network(z, zeros, first, zeros + 1))
        assert torch.equal(network(z, zeros), network(z, zeros, torch.tensor([3])))


def test_a_step_of_training_tells_labels_apart() -> None:
    network = UNet(DataSpec((1, 8, 8), 2), **SMALL)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    z, label = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1), torch.tensor([0, 1])
    target = torch.stack([-torch.ones(1, 8, 8), torch.ones(1, 8, 8)])
    for _ in range(10):
        optimizer.zero_grad()
        (network(z, torch.zeros(2), label) - target).square().mean().backward()
        optimizer.step()
    output = network(z, torch.zeros(2), label)
    assert output[1].mean() > output[0].mean() + 0.01


def test_a_gradient_reaches_every_parameter() -> None:
    network = randomized(UNet(DataSpec((1, 8, 8), 2), attention_resolutions=(4, 8), **SMALL))
    z, label = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    network(z, torch.randn(4), label, torch.rand(4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_examples_do_not_see_each_other() -> None:
    network = randomized(UNet(DataSpec((1, 8, 8), 3), **SMALL)).double()
    z, log_snr = torch.randn(3, 1, 8, 8).double(), torch.randn(3).double()
    label, w = torch.tensor([0, 3, 1]), torch.rand(3).double()
    with torch.no_grad():
        whole = network(z, log_snr, label, w)
        for i in range(3):
            own = slice(i, i + 1)
            alone = network(z[own], log_snr[own], label[own], w[own])
            torch.testing.assert_close(alone, whole[own], rtol=1e-9, atol=1e-9)


def test_every_pixel_sees_every_other() -> None:
    network = randomized(UNet(DataSpec((1, 16, 16)), attention_resolutions=(), **SMALL))
    z = torch.randn(1, 1, 16, 16, requires_grad=True)
    network(z, torch.zeros(1))[0, 0, 0, 0].backward()
    assert z.grad is not None
    assert (z.grad != 0).all()


def test_every_layer_keeps_the_layout_of_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    network = randomized(UNet(DataSpec((3, 8, 8)), **SMALL))
    found: list[tuple[bool, bool]] = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(
                lambda _, inputs, __: found.append(
                    (
                        inputs[0].is_contiguous(),
                        inputs[0].is_contiguous(memory_format=torch.channels_last),
                    )
                )
            )
    z, log_snr = torch.randn(2, 3, 8, 8), torch.zeros(2)
    first = network(z, log_snr)
    assert found
    assert all(is_first for is_first, _ in found)
    found.clear()
    monkeypatch.setattr(unet, "_layout", lambda device: torch.channels_last)  # as on CUDA
    last = network(z, log_snr)
    assert all(is_last for _, is_last in found)
    torch.testing.assert_close(first, last, rtol=1e-4, atol=1e-5)


def test_attention_lies_where_it_was_asked_for() -> None:
    counts = {}
    for resolutions in ((), (4,), (8, 4), (16,)):
        network = UNet(DataSpec((1, 8, 8)), attention_resolutions=resolutions, **SMALL)
        names = [type(layer).__name__ for layer in network.modules()]
        counts[resolutions] = names.count("AttentionBlock")
    # One in the middle; at each resolution one encoder block and two decoder blocks.
    assert counts == {(): 1, (4,): 4, (8, 4): 7, (16,): 1}


def test_low_precision_runs_and_stays_close() -> None:
    network = randomized(UNet(DataSpec((1, 8, 8), 3), **SMALL))
    torch.nn.init.normal_(network.output.weight, std=0.02)
    z, log_snr, label = torch.randn(2, 1, 8, 8), torch.randn(2), torch.tensor([0, 3])
    with torch.no_grad():
        exact = network(z, log_snr, label)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = network(z, log_snr, label)
    assert low.dtype == torch.bfloat16
    assert (low - exact).square().mean().sqrt() < 0.1 * exact.std()


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((2,), {}, r"a U-Net needs images .* not data of shape \(2,\); for vectors choose netw"),
        ((1, 6, 8), {"channel_multipliers": [1, 1, 1]}, "6x8 cannot be halved 2 times; .* mul.* 4"),
        ((1, 8, 6), {"channel_multipliers": [1, 1, 1]}, "8x6 cannot be halved 2 times"),
        ((1, 8, 8), {"channels": 10, "head_channels": 8}, "head_channels=8 does not divide the"),
        ((1, 8, 8), {"channel_multipliers": []}, "needs at least one resolution"),
        ((1, 8, 8), {"channel_multipliers": [1, 0]}, "needs at least one resolution and one chan"),
        ((1, 8, 8), {"channels": 0}, "needs at least one resolution and one channel"),
        ((1, 8, 8), {"num_blocks": -1}, "num_blocks"),
        ((1, 8, 8), {"head_channels": 0}, "head_channels"),
        ((1, 8, 8), {"dropout": 1.5}, "dropout"),
    ],
)
def test_what_makes_no_network_is_refused(
    shape: tuple[int, ...], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        networks.build({"name": "unet", **parameters}, DataSpec(shape))
