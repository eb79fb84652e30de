"""Conjugate gradients against a direct solution; Hessian products against the explicit Hessian."""

import pytest
import torch
from torch import nn

from genrl.rl.algorithms.natural_gradient import (
    assign,
    conjugate_gradient,
    flat_gradient,
    flat_values,
    hessian_product,
)
from genrl.rl.distributions.categorical import Categorical


def positive_definite(size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return root @ root.T + 0.1 * torch.eye(size, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 5, 30])
def test_conjugate_gradient_equals_a_direct_solve(size: int) -> None:
    matrix = positive_definite(size, size)
    target = torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = conjugate_gradient(lambda v: matrix @ v, target, iterations=4 * size, tolerance=1e-13)
    torch.testing.assert_close(x, torch.linalg.solve(matrix, target), rtol=0, atol=3.5e-10)


def test_few_iterations_already_descend() -> None:
    matrix, target = positive_definite(30, 0), torch.ones(30, dtype=torch.float64)
    solution = torch.linalg.solve(matrix, target)
    errors = []
    for count in (0, 1, 5, 10, 20):
        error = conjugate_gradient(lambda v: matrix @ v, target, iterations=count) - solution
        errors.append(float(error @ matrix @ error))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * errors[0]


def test_stops_at_zero() -> None:
    def never(vector: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing is left to solve")

    zero = torch.zeros(3)
    torch.testing.assert_close(conjugate_gradient(never, zero, iterations=9), zero)


def test_hessian_product_equals_the_explicit_fisher_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    obs = torch.randn(50, 4, generator=generator, dtype=torch.float64)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    parameters = list(network.parameters())
    old = Categorical(network(obs).detach())
    product = hessian_product(old.kl(Categorical(network(obs))).mean(), parameters)

    # The same matrix by first derivatives only: E_s Σ_a π(a|s) ∇log π ∇log πᵀ.
    log_prob = network(obs).log_softmax(-1)
    size = len(flat_values(parameters))
    fisher = torch.zeros(size, size, dtype=torch.float64)
    for row in log_prob:
        for value in row:
            score = flat_gradient(value, parameters, retain_graph=True)
            fisher += value.detach().exp() * torch.outer(score, score) / len(obs)
    columns = torch.stack([product(column) for column in torch.eye(size, dtype=torch.float64)])
    torch.testing.assert_close(columns, fisher, rtol=0, atol=1e-15)


def test_parameters_without_effect_have_zeros() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    function = used.square().sum()
    product = hessian_product(function, [unused, used])
    torch.testing.assert_close(product(torch.ones(5)), torch.tensor([0.0, 0, 0, 2, 2]))


def test_assign_inverts_flat_values() -> None:
    network = nn.Linear(3, 2)
    before = flat_values(list(network.parameters()))
    assign(list(network.parameters()), before + 1)
    torch.testing.assert_close(flat_values(list(network.parameters())), before + 1)
    assert network.weight.untyped_storage().nbytes() == 6 * 4
