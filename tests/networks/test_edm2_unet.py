"""EDM2's U-Net: its published sizes, and magnitudes measured inside."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genrl.networks import EDM2UNet, networks
from genrl.networks.magnitude import MPLayer
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SMALL: dict[str, Any] = {"channels": 32, "head_channels": 16, "num_blocks": 1}


@pytest.mark.parametrize(
    ("channels", "millions", "gflops"), [(128, 125, 89.9), (192, 280, 201.6), (256, 498, 358.0)]
)
def test_published_sizes(
    size_and_flops: Any, channels: int, millions: float, gflops: float
) -> None:
    """Karras et al. 2024, table 3: XS, S and M at 64x64x4 with 1000 classes.

    The paper's gigaflops (46, 102, 181) count a multiplication with its addition as one.
    """
    config = {
        "name": "edm2_unet",
        "channels": channels,
        "channel_multipliers": [1, 2, 3, 4],
        "num_blocks": 3,
        "attention_resolutions": [16, 8],
        "head_channels": 64,
    }
    size, flops = size_and_flops(config, DataSpec((4, 64, 64), 1000))
    assert size / 1e6 == pytest.approx(millions, rel=0.004)
    assert flops / 1e9 == pytest.approx(gflops, rel=0.002)


def magnitudes(network: nn.Module, *inputs: Any) -> dict[str, float]:
    """Root mean square of what each layer and block gives."""
    found: dict[str, float] = {}
    hooks = []

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            found[name] = output.square().mean().sqrt().item()

        return hook

    for name, module in network.named_modules():
        if isinstance(module, MPLayer) or type(module).__name__ == "_Block":
            hooks.append(module.register_forward_hook(watch(name)))
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_activations_start_at_magnitude_one_and_stay_there(scale: float) -> None:
    """Whatever the size of the stored weights; only gains that are zero give zero."""
    torch.manual_seed(0)
    network = EDM2UNet(DataSpec((3, 16, 16), 5), attention_resolutions=(8,), **SMALL).eval()
    for layer in network.modules():
        if isinstance(layer, MPLayer):
            layer.weight.data.mul_(scale)
    z, log_snr, label = torch.randn(16, 3, 16, 16), 4 * torch.randn(16), torch.arange(16) % 6
    found = magnitudes(network, z, log_snr, label)
    gained = {name for name in found if name.endswith("modulation") or name == "output"}
    assert all(found[name] == 0 for name in gained)
    # A sum over pixels or heads that are alike is not one of independent numbers.
    correlated = {name for name in found if name.endswith((".proj", ".conv1", ".conv2"))}
    for name in found.keys() - gained - correlated:
        assert found[name] == pytest.approx(1, abs=0.2), name
    for name in correlated:
        assert 0.3 < found[name] < 1.3, name


def test_an_update_is_followed_by_normalized_weights() -> None:
    """In the next update's forward pass, in place; the average and a teacher are left alone."""
    network = EDM2UNet(DataSpec((1, 8, 8), 3), **SMALL)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    z, log_snr, label = torch.randn(4, 1, 8, 8), torch.randn(4), torch.arange(4)

    def away() -> float:
        sizes = [
            layer.weight.flatten(1).square().mean(1).sqrt()
            for layer in network.modules()
            if isinstance(layer, MPLayer)
        ]
        return (torch.cat(sizes) - 1).abs().max().item()

    for _ in range(3):
        optimizer.zero_grad()
        (network(z, log_snr, label, torch.rand(4)) - z).square().mean().backward()
        assert away() < 3e-3  # of weights with few inputs
        optimizer.step()
    assert away() > 1e-3


def test_dropout_obeys_the_students_rule() -> None:
    """Students train without dropout: the module turns dropout layers off by their class."""
    network = EDM2UNet(DataSpec((1, 8, 8)), dropout=0.5, **SMALL).train()
    nn.init.ones_(network.output_gain)
    z, log_snr = torch.randn(2, 1, 8, 8), torch.zeros(2)
    assert not torch.equal(network(z, log_snr), network(z, log_snr))
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    torch.testing.assert_close(network(z, log_snr), network(z, log_snr))


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((2,), {}, "needs images"),
        ((1, 6, 8), {"channel_multipliers": [1, 1, 1]}, "6x8 cannot be halved 2 times"),
        ((1, 8, 8), {"head_channels": 24}, "head_channels=24 does not divide the 64 channels"),
        ((1, 8, 8), {"channel_multipliers": []}, "needs at least one resolution"),
        ((1, 8, 8), {"num_blocks": 0}, "must be at least 1"),
        ((1, 8, 8), {"dropout": 1.5}, "dropout"),
    ],
)
def test_what_makes_no_network_is_refused(
    shape: tuple[int, ...], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        networks.build({"name": "edm2_unet", **parameters}, DataSpec(shape))
