"""The squared loss and the least member, differentiated by hand, against autograd."""

from collections.abc import Callable

import pytest
import torch

from genrl.networks.perceptron import EnsemblePerceptron
from genrl.networks.relu import least_member, squared_loss


def ensemble(members: int, sizes: tuple[int, ...] = (3, 8, 6, 1)) -> EnsemblePerceptron:
    torch.manual_seed(0)
    return EnsemblePerceptron(members, sizes).double().requires_grad_(False)


SIZES = pytest.mark.parametrize("sizes", [(3, 1), (3, 8, 1), (3, 8, 6, 1)])


@pytest.mark.parametrize("takes_gradient", [True, False])
@pytest.mark.parametrize("members", [1, 2, 5])
@SIZES
def test_the_squared_loss_has_autograds_value_and_gradients(
    members: int, sizes: tuple[int, ...], takes_gradient: bool
) -> None:
    network = ensemble(members, sizes).requires_grad_(True)
    x = torch.randn(40, 3, dtype=torch.float64, requires_grad=takes_gradient)
    target, weight = torch.randn(2, 40, dtype=torch.float64)
    learned = [*network.parameters(), *([x] if takes_gradient else [])]
    errors = network(x).squeeze(-1) - target
    losses, found_errors = squared_loss(network, x, target)
    torch.testing.assert_close(found_errors, errors, rtol=0, atol=1e-13)
    assert not found_errors.requires_grad
    results = [
        (each, *torch.autograd.grad((weight * each).sum(), learned))
        for each in (0.5 * errors.square().sum(0), losses)
    ]
    for expected, found in zip(*results, strict=True):
        assert found.stride() == expected.stride()  # Adam's moments lie as the parameters do
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_squared_loss_has_the_gradients_of_finite_differences() -> None:
    network = ensemble(2).requires_grad_(True)
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, *_: squared_loss(network, x, torch.ones(5).double())[0],
        (x, *network.parameters()),
    )


@pytest.mark.parametrize("members", [1, 2, 5])
@SIZES
def test_it_is_the_minimum_with_its_gradient(members: int, sizes: tuple[int, ...]) -> None:
    network = ensemble(members, sizes)
    x = torch.randn(40, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(40, dtype=torch.float64)
    expected = network(x).squeeze(-1).amin(0)
    found = least_member(network, x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    with torch.no_grad():
        torch.testing.assert_close(least_member(network, x), expected, rtol=0, atol=1e-14)
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


def loss_of(network: EnsemblePerceptron, x: torch.Tensor) -> torch.Tensor:
    return squared_loss(network, x, torch.zeros(len(x), dtype=x.dtype))[0]


@pytest.mark.parametrize("of", [loss_of, least_member])
def test_a_second_derivative_is_refused(
    of: Callable[[EnsemblePerceptron, torch.Tensor], torch.Tensor],
) -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(of(ensemble(2), x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
