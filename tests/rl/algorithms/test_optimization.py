"""The lean Adam against torch's own with its own clipping."""

import copy

import pytest
import torch
from torch import nn

from genrl.networks.perceptron import perceptron
from genrl.rl.algorithms.optimization import Adam


@pytest.mark.parametrize("clip", [0.0, 0.01, 0.5, float("inf")])
def test_the_numbers_are_those_of_torch(clip: float) -> None:
    torch.manual_seed(0)
    ours = perceptron((5, 7, 2)).double()
    theirs = copy.deepcopy(ours)
    mine = Adam(ours.parameters(), 3e-3, eps=1e-5, clip=clip)
    peer = torch.optim.Adam(theirs.parameters(), lr=3e-3, eps=1e-5)
    for _ in range(20):
        x = torch.randn(16, 5, dtype=torch.float64)
        norm = mine.descend(ours(x).square().sum())
        peer.zero_grad()
        theirs(x).square().sum().backward()
        if clip:
            expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip)
            torch.testing.assert_close(norm, expected)
        else:
            assert norm is None
        peer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_a_parameter_without_a_gradient_stays() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    Adam([used, unused], 0.1).descend(used.sum())
    assert torch.equal(unused, torch.ones(3))
    torch.testing.assert_close(used.detach(), torch.full((2,), 0.9))


def test_a_restored_state_goes_on_bit_for_bit() -> None:
    torch.manual_seed(1)
    first = nn.Parameter(torch.randn(4))
    optimizer = Adam([first], 0.1, clip=0.5)
    for _ in range(3):
        optimizer.descend(first.pow(4).sum())
    second = nn.Parameter(first.detach().clone())
    other = Adam([second], 0.1, clip=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(3):
        optimizer.descend(first.pow(4).sum())
        other.descend(second.pow(4).sum())
    assert torch.equal(first, second)
