"""Perceptrons: torch's layers with the same weights, stored so that gradients are cheap."""

import copy
import io

import torch
from torch import nn

from genrl.networks.perceptron import perceptron


def test_it_is_a_stack_of_linear_layers_whatever_the_storage() -> None:
    torch.manual_seed(0)
    network = perceptron((3, 16, 8, 2), "relu").double()
    plain = nn.Sequential(
        nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2)
    ).double()
    plain.load_state_dict(network.state_dict())
    x = torch.randn(32, 3, dtype=torch.float64)
    torch.testing.assert_close(network(x), plain(x), rtol=0, atol=1e-14)
    for module in (network, plain):
        module(x).square().sum().backward()
    for mine, other in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-13, atol=1e-13)


def test_the_first_weight_lies_by_columns_and_stays_so() -> None:
    network = perceptron((3, 16, 2))
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    restored = perceptron((3, 16, 2)).requires_grad_(True)
    restored.load_state_dict(torch.load(file, weights_only=True))
    for each in (network, copy.deepcopy(network), copy.deepcopy(network).double(), restored):
        weight = next(each.parameters())
        assert weight.shape == (16, 3)
        each(torch.randn(8, 3, dtype=weight.dtype)).sum().backward()
        assert weight.grad is not None
        assert weight.stride() == weight.grad.stride() == (1, 16)
