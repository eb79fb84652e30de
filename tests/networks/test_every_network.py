"""What every network promises a `Denoiser`, whatever it is made of."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.config import compose
from genrl.networks import Network, networks
from genrl.testing import check_network
from genrl.typing import DataSpec

# Small enough for a test; a network that is not named has small defaults.
SMALL: dict[str, list[dict[str, Any]]] = {
    "diffusers_unet": [
        {"model": model, "channels": [8, 16], "head_channels": 8, "norm_groups": 4}
        for model in ("UNet2DModel", "UNet2DConditionModel")
    ],
    "dit": [{"width": 16, "depth": 2, "num_heads": 2}],
    "edm2_unet": [{"channels": 8, "head_channels": 8, "num_blocks": 1}],
    "mlp": [{"features": 16}],
    "unet": [{"channels": 8, "head_channels": 8, "num_blocks": 1}],
}
EACH = [
    pytest.param({"name": name, **parameters}, id=f"{name}-{number}")
    for name in networks.names()
    for number, parameters in enumerate(SMALL.get(name, [{}]))
]
IMAGES = DataSpec((1, 8, 8), 3)


def built(config: dict[str, Any], spec: DataSpec = IMAGES, num_outputs: int = 1) -> Network:
    torch.manual_seed(0)
    return networks.build(config, spec, num_outputs)


def trained(config: dict[str, Any], spec: DataSpec = IMAGES, num_outputs: int = 1) -> Network:
    """A network after a few updates towards a function of all of its inputs."""
    network = built(config, spec, num_outputs)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(6):
        z, log_snr, label, w, more = inputs(spec, 8)
        target = z.tanh() + (label / 3 + 0.2 * w + 0.2 * log_snr).view(-1, 1, 1, 1)
        target = target + sum(c.sum(1).view(-1, 1, 1, 1) for c in more)
        output = network(z, log_snr, label, w, *more)
        loss = (output - target.repeat(1, num_outputs, 1, 1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def inputs(spec: DataSpec, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor]]:
    label = torch.arange(batch) % (spec.num_classes + 1)
    more = [torch.randn(batch, spec.condition_size)] if spec.condition_size else []
    return (
        torch.randn(batch, *spec.shape),
        3 * torch.randn(batch),
        label,
        4 * torch.rand(batch),
        more,
    )


@pytest.mark.parametrize("config", EACH)
@pytest.mark.parametrize("num_outputs", [1, 2])
@pytest.mark.parametrize("spec", [IMAGES, DataSpec((3, 8, 12)), DataSpec((2, 16, 8), 3, 5)])
def test_output_starts_at_zero_in_the_form_of_the_data(
    config: dict[str, Any], num_outputs: int, spec: DataSpec
) -> None:
    network = built(config, spec, num_outputs)
    z, log_snr, label, w, more = inputs(spec, 2)
    output = network(z, log_snr, label if spec.num_classes else None, w, *more)
    assert output.shape == (2, num_outputs * spec.shape[0], *spec.shape[1:])
    assert output.dtype == torch.float32
    assert not output.any()


@pytest.mark.parametrize("config", EACH)
def test_it_keeps_the_promises_of_every_network(config: dict[str, Any]) -> None:
    spec = DataSpec((1, 8, 8), 3, 2)
    check_network(lambda spec, num_outputs: built(config, spec, num_outputs), spec)


@pytest.mark.parametrize("config", EACH)
def test_a_guidance_weight_changes_nothing_before_training(config: dict[str, Any]) -> None:
    """Meng et al. 2022: the guided student begins as the conditional teacher."""
    network = trained(config)
    fresh = built(config)
    initial = fresh.state_dict()
    fresh.load_state_dict(
        {
            name: initial[name] if _is_of_guidance(name) else value
            for name, value in network.state_dict().items()
        }
    )
    z, log_snr, label, w, _ = inputs(IMAGES, 4)
    with torch.no_grad():
        without = fresh.eval()(z, log_snr, label)
        assert without.any()
        torch.testing.assert_close(fresh(z, log_snr, label, w), without, rtol=1e-5, atol=1e-6)


def _is_of_guidance(name: str) -> bool:
    return "guidance" in name or "cond_proj" in name


@pytest.mark.parametrize("config", EACH)
def test_low_precision_runs_and_stays_close(config: dict[str, Any]) -> None:
    network = trained(config)
    z, log_snr, label, w, _ = inputs(IMAGES, 4)
    with torch.no_grad():
        exact = network(z, log_snr, label, w)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = network(z, log_snr, label, w)
    assert (low - exact).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


@pytest.mark.parametrize("config", EACH)
def test_a_copy_gives_the_same(config: dict[str, Any]) -> None:
    network = trained(config)
    z, log_snr, label, w, _ = inputs(IMAGES, 2)
    with torch.no_grad():
        output = network(z, log_snr, label, w)
        assert torch.equal(copy.deepcopy(network)(z, log_snr, label, w), output)


@pytest.mark.parametrize("config", EACH)
def test_a_condition_is_asked_for_and_refused(config: dict[str, Any]) -> None:
    z, log_snr = torch.randn(2, 1, 8, 8), torch.zeros(2)
    with pytest.raises(ValueError, match="needs a condition vector"):
        built(config, DataSpec((1, 8, 8), 3, 2))(z, log_snr)
    with pytest.raises(ValueError, match="was built without a condition_size"):
        built(config)(z, log_snr, condition=torch.zeros(2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("config", EACH)
def test_compiled_equals_eager(config: dict[str, Any]) -> None:
    network = trained(config)
    z, log_snr, label, w, _ = inputs(IMAGES, 4)
    expected = network(z, log_snr, label, w).detach()
    keys = list(network.state_dict())
    network.compile()
    torch.testing.assert_close(
        network(z, log_snr, label, w).detach(), expected, rtol=1e-4, atol=1e-5
    )
    assert list(network.state_dict()) == keys


@pytest.mark.parametrize("name", [n for n in networks.names() if n not in ("mlp", "unet")])
def test_the_variant_for_digits_is_small_and_composes(name: str) -> None:
    config = compose(["+experiment=cfg_distill", f"network={name}_digits"])["network"]
    network = built(config, DataSpec((1, 8, 8), 10))
    assert config["name"] == name
    assert 50_000 < sum(p.numel() for p in network.parameters()) < 1_000_000
