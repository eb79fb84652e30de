"""Their model behind our interface: the same numbers as theirs, their names, our errors."""

import sys
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel
from diffusers.models.embeddings import get_timestep_embedding

from genrl.networks import DiffusersUNet, networks
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SMALL: dict[str, Any] = {"channels": (8, 16), "head_channels": 8, "norm_groups": 4}
SPEC = DataSpec((3, 8, 8), 5)


def randomize(network: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))


def discrete_log_snr(scheduler: DDPMScheduler) -> torch.Tensor:
    kept = scheduler.alphas_cumprod.double()
    return (kept / (1 - kept)).log()


@pytest.mark.parametrize("zero_snr", [False, True])
def test_a_trained_unet_of_theirs_gives_what_it_gives_there(zero_snr: bool) -> None:
    """Built from their config with the table of their scheduler: class, step and sample alike."""
    scheduler = DDPMScheduler(rescale_betas_zero_snr=zero_snr)
    table = discrete_log_snr(scheduler)
    theirs = UNet2DModel(
        8, 3, 3, block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=8, norm_num_groups=4,
        num_class_embeds=6, resnet_time_scale_shift="scale_shift",
    ).eval()  # fmt: skip
    randomize(theirs)
    ours = DiffusersUNet(SPEC, config=dict(theirs.config), log_snrs=tuple(table.tolist())).eval()
    state = theirs.state_dict()
    assert ours.label is not None
    ours.label.weight.data = state.pop("class_embedding.weight")
    ours.model.load_state_dict(state)
    z, step, label = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 500, 999]), torch.arange(4)
    with torch.no_grad():
        expected = theirs(z, step, label).sample
        output = ours(z, table[step].float(), label)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4)


def test_a_latent_consistency_model_takes_its_guidance_as_there() -> None:
    ours = DiffusersUNet(
        DataSpec((3, 8, 8), 0, 7),
        model="UNet2DConditionModel",
        config={"time_cond_proj_dim": 16, "cross_attention_dim": 7},
        **SMALL,
    ).eval()
    randomize(ours)
    assert isinstance(ours.model, UNet2DConditionModel)
    assert isinstance(ours.condition, torch.nn.Linear)
    ours.condition.weight.data, ours.condition.bias.data = torch.eye(7), torch.zeros(7)
    z, w, text = torch.randn(2, 3, 8, 8), torch.tensor([0.5, 3.0]), torch.randn(2, 7)
    guidance = get_timestep_embedding(1000 * w, 16)
    with torch.no_grad():
        expected = ours.model(z, 500.0, text[:, None], timestep_cond=guidance).sample
        # The angle is half of its range where signal and noise are alike.
        output = ours(z, torch.zeros(2), None, w, text)
    torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-3)


def test_sizes_are_those_that_were_asked_for() -> None:
    """As many parameters as theirs, and the class table and the guidance weight's projection."""
    theirs = UNet2DModel(
        8, 3, 3, block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=8, norm_num_groups=4,
        layers_per_block=1,
    )  # fmt: skip
    ours = DiffusersUNet(SPEC, layers_per_block=1, **SMALL)
    count = sum(p.numel() for p in theirs.parameters()) + 6 * 32 + 32 * 32
    assert sum(p.numel() for p in ours.parameters()) == count


def test_heads_have_the_channels_that_were_asked_for() -> None:
    """In UNet2DConditionModel ``attention_head_dim`` is the number of heads."""
    for model in ("UNet2DModel", "UNet2DConditionModel"):
        network = DiffusersUNet(SPEC, model=model, **SMALL)  # type: ignore[arg-type]
        layers: list[Any] = [
            layer for layer in network.modules() if type(layer).__name__ == "Attention"
        ]
        assert {layer.heads for layer in layers} == {2}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"channels": [8, 8, 8, 8, 8]}, "cannot be halved 4 times; give fewer channels"),
        ({"head_channels": 5}, "head_channels=5 does not divide"),
        ({"config": {"norm_epz": 1}}, "no argument 'norm_epz'. Did you mean 'norm_eps'"),
        ({"model": "UNet3D"}, "'UNet3D' is not a value of 'model'"),
        ({"norm_groups": 3}, "must be divisible by num_groups"),
        ({"log_snrs": [1.0, 2.0]}, "must fall from step to step"),
        ({"log_snrs": [1.0]}, "needs two steps"),
    ],
)
def test_what_makes_no_network_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        networks.build({"name": "diffusers_unet", **SMALL, **parameters}, SPEC)


def test_without_diffusers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'genrl\[diffusers\]'"):
        networks.build({"name": "diffusers_unet", **SMALL}, SPEC)
