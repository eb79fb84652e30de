"""The least member and its gradient against autograd's through all members."""

import pytest
import torch

from genrl.networks.least import least_member
from genrl.networks.perceptron import EnsemblePerceptron


def ensemble(members: int, sizes: tuple[int, ...] = (3, 8, 6, 1)) -> EnsemblePerceptron:
    torch.manual_seed(0)
    return EnsemblePerceptron(members, sizes).double().requires_grad_(False)


@pytest.mark.parametrize("members", [1, 2, 5])
@pytest.mark.parametrize("sizes", [(3, 1), (3, 8, 6, 1)])
def test_it_is_the_minimum_with_its_gradient(members: int, sizes: tuple[int, ...]) -> None:
    network = ensemble(members, sizes)
    x = torch.randn(40, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(40, dtype=torch.float64)
    expected = network(x).squeeze(-1).amin(0)
    found = least_member(network, x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    (slope,) = torch.autograd.grad((weight * expected).sum(), x)
    torch.testing.assert_close(
        torch.autograd.grad((weight * found).sum(), x)[0], slope, rtol=0, atol=1e-13
    )


def test_its_gradient_is_that_of_finite_differences() -> None:
    network = ensemble(3)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: least_member(network, x), x)


def test_a_member_that_is_never_the_least_says_nothing() -> None:
    network = ensemble(2)
    network.layers[-1].bias[1] = 1e3
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(least_member(network, x).sum(), x)
    (alone,) = torch.autograd.grad(network(x)[0].sum(), x)
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-13)


def test_a_second_derivative_is_refused() -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    least = least_member(ensemble(2), x)
    (slope,) = torch.autograd.grad(least.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
