"""The perceptron against its formula, and what it listens to."""

from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm, silu

from genrl.networks import MLP
from genrl.typing import DataSpec

F64 = torch.float64


def randomized(network: MLP) -> MLP:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return network.double().eval()


def inputs(shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    z, log_snr, w = torch.randn(3, *shape), torch.randn(3), torch.rand(3)
    return z.double(), log_snr.double(), torch.tensor([0, 1, 2]), w.double()


@pytest.mark.parametrize("shape", [(2,), (3, 4), (1, 2, 2)])
@pytest.mark.parametrize("num_outputs", [1, 2])
def test_output_starts_at_zero_in_the_shape_of_the_data(
    shape: tuple[int, ...], num_outputs: int
) -> None:
    network = MLP(DataSpec(shape, 2), num_outputs, features=16).double()
    output = network(*inputs(shape))
    assert output.shape == (3, num_outputs * shape[0], *shape[1:])
    assert not output.any()


def test_formula() -> None:
    network = randomized(MLP(DataSpec((2, 3), 2), features=8, num_layers=2))
    z, log_snr, label, w = inputs((2, 3))
    condition = silu(network.embedding(log_snr, label, w))
    hidden = z.reshape(3, 6) @ network.input.weight.T + network.input.bias
    for layer in network.layers:
        scale, shift = (condition @ layer.modulation.weight.T + layer.modulation.bias).split(
            8, dim=1
        )
        inner = layer_norm(hidden @ layer.input.weight.T + layer.input.bias, (8,))
        inner = silu((1 + scale) * inner + shift)
        hidden = hidden + inner @ layer.output.weight.T + layer.output.bias
    expected = silu(hidden) @ network.output.weight.T + network.output.bias
    output = network(z, log_snr, label, w)
    torch.testing.assert_close(output, expected.reshape(3, 2, 3), rtol=1e-12, atol=1e-12)


def test_two_outputs_stand_one_after_the_other() -> None:
    """Parameterizations split along the first dimension of the data."""
    network = randomized(MLP(DataSpec((2, 3)), 2, features=8))
    z, log_snr, *_ = inputs((2, 3))
    first, second = network(z, log_snr).chunk(2, dim=1)
    torch.nn.init.zeros_(network.output.weight[6:])
    torch.nn.init.zeros_(network.output.bias[6:])
    changed_first, changed_second = network(z, log_snr).chunk(2, dim=1)
    assert torch.equal(changed_first, first)
    assert second.any()
    assert not changed_second.any()


def test_guidance_weight_counts_only_once_it_is_learned() -> None:
    network = randomized(MLP(DataSpec((2,), 2), features=16))
    z, log_snr, label, w = inputs((2,))
    learned = network(z, log_snr, label, w)
    torch.nn.init.zeros_(network.embedding.guidance.weight)
    assert torch.equal(network(z, log_snr, label, w), network(z, log_snr, label))
    assert not torch.allclose(learned, network(z, log_snr, label))


def test_a_gradient_reaches_every_parameter() -> None:
    network = randomized(MLP(DataSpec((2,), 2), features=16))
    network(*inputs((2,))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_step_of_training_tells_labels_apart() -> None:
    network = MLP(DataSpec((2,), 2), features=16).double()
    z, log_snr, label = torch.ones(3, 2, dtype=F64), torch.zeros(3, dtype=F64), torch.arange(3)
    (network(z, log_snr, label) * torch.tensor([[-1.0], [0.0], [1.0]])).sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    output = network(z, log_snr, label)
    assert not torch.allclose(output[0], output[1])
    alone = network(z[:1], log_snr[:1], torch.tensor([2]))
    torch.testing.assert_close(output[2:], alone, rtol=1e-12, atol=1e-12)


def test_dropout_works_in_training_alone() -> None:
    network = randomized(MLP(DataSpec((2,), 2), features=16, dropout=0.5))
    assert torch.equal(network(*(given := inputs((2,)))), network(*given))
    network.train()
    assert not torch.equal(network(*given), network(*given))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"features": 10}, "multiple of 4"), ({"features": 4}, "from 8 on"), ({"dropout": 2.0}, "dr")],
)
def test_what_makes_no_network_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(DataSpec((2,)), **parameters)
