"""The condition vector on its way from a caller to the networks."""

from typing import Any

import pytest
import torch

from genrl.diffusion import (
    ClassifierFreeGuidance,
    CosineSchedule,
    Denoiser,
    GaussianDenoiser,
    VParameterization,
    bind,
)
from genrl.networks import MLP, Network, UNet
from genrl.networks.embeddings import ConditionEmbedding
from genrl.typing import DataSpec


def randomized(network: Network) -> Network:
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def networks(condition_size: int, num_classes: int = 0) -> list[Network]:
    unet: dict[str, Any] = {
        "channels": 8,
        "channel_multipliers": (1,),
        "num_blocks": 1,
        "head_channels": 8,
    }
    return [
        randomized(MLP(DataSpec((3,), num_classes, condition_size), features=16)),
        randomized(UNet(DataSpec((1, 4, 4), num_classes, condition_size), **unet)),
    ]


def test_formula() -> None:
    embedding = ConditionEmbedding(16, 0, 2)
    log_snr, c = torch.zeros(3), torch.randn(3, 2)
    assert embedding.condition is not None
    hidden = embedding.input(embedding.time_features(torch.full((3,), 500.0)))
    hidden = hidden + c @ embedding.condition.weight.T + embedding.condition.bias
    expected = embedding.output(torch.nn.functional.silu(hidden))
    torch.testing.assert_close(embedding(log_snr, None, None, c), expected, rtol=1e-5, atol=1e-5)


def test_without_a_size_nothing_is_made() -> None:
    torch.manual_seed(3)
    before = ConditionEmbedding(16, 2).state_dict()
    torch.manual_seed(3)
    with_condition = ConditionEmbedding(16, 2, 4).state_dict()
    assert set(with_condition) - set(before) == {"condition.weight", "condition.bias"}
    for name, value in before.items():
        assert torch.equal(value, with_condition[name])


@pytest.mark.parametrize("index", [0, 1])
def test_each_example_sees_its_own_condition(index: int) -> None:
    network = networks(2)[index].double()
    z = torch.randn(1, *network.spec.shape, dtype=torch.float64).expand(3, *network.spec.shape)
    log_snr = torch.zeros(3, dtype=torch.float64)
    c = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.5, 1.0]], dtype=torch.float64)
    output = network(z, log_snr, None, None, c)
    assert torch.allclose(output[0], output[1], rtol=0, atol=1e-12)
    assert (output[0] - output[2]).abs().max() > 1e-3


@pytest.mark.parametrize("index", [0, 1])
def test_missing_and_superfluous_conditions_are_refused(index: int) -> None:
    z = torch.randn(2, *networks(0)[index].spec.shape)
    with pytest.raises(ValueError, match="needs a condition"):
        networks(2)[index](z, torch.zeros(2))
    with pytest.raises(ValueError, match="without a condition_size"):
        networks(0)[index](z, torch.zeros(2), None, None, torch.zeros(2, 2))


def test_a_denoiser_hands_it_over_and_bind_does() -> None:
    network = networks(2)[0]
    denoiser = Denoiser(network, CosineSchedule(), VParameterization())
    z, t, c = torch.randn(4, 3), torch.rand(4), torch.randn(4, 2)
    level = denoiser.schedule.level_like(t, z)
    v = network(z, level.log_snr.flatten(), None, None, c)
    torch.testing.assert_close(denoiser(z, t, condition=c).v, v, rtol=1e-4, atol=1e-4)
    assert torch.equal(bind(denoiser, condition=c)(z, t).x, denoiser(z, t, condition=c).x)


def test_both_branches_of_guidance_see_it() -> None:
    denoiser = Denoiser(networks(2, 3)[0], CosineSchedule(), VParameterization())
    z, t, c, label = torch.randn(4, 3), torch.rand(4), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    bound = bind(denoiser, label, 1.5, ClassifierFreeGuidance(3), condition=c)
    given = denoiser(z, t, label, condition=c).x
    null = denoiser(z, t, torch.full_like(label, 3), condition=c).x
    torch.testing.assert_close(bound(z, t).x, 2.5 * given - 1.5 * null, rtol=1e-4, atol=1e-4)


def test_a_network_that_knows_of_no_condition_still_works() -> None:
    class Old(Network):
        def forward(self, z: Any, log_snr: Any, label: Any = None, w: Any = None) -> Any:  # type: ignore[override]
            return z

    denoiser = Denoiser(Old(DataSpec((3,))), CosineSchedule(), VParameterization())
    assert denoiser(torch.zeros(2, 3), torch.rand(2)).x.shape == (2, 3)


def test_a_closed_form_takes_none() -> None:
    exact = GaussianDenoiser(CosineSchedule(), torch.zeros(3), torch.ones(3))
    with pytest.raises(ValueError, match="takes no condition"):
        bind(exact, condition=torch.zeros(2, 2))
