"""Centred ranks and the antithetic gradient: exact values, exact mean, known variance."""

import pytest
import torch

from genrl.rl.algorithms.evolution import centred_ranks, es_gradient


def test_ranks() -> None:
    ranks = centred_ranks(torch.tensor([3.0, -10.0, 2.9, 400.0]))
    torch.testing.assert_close(
        ranks, torch.tensor([1 / 6, -1 / 2, -1 / 6, 1 / 2], dtype=torch.float64)
    )


def test_ranks_run_over_all_of_a_matrix() -> None:
    ranks = centred_ranks(torch.tensor([[30.0, 10.0], [20.0, 40.0]]))
    expected = torch.tensor([[1 / 6, -1 / 2], [-1 / 6, 1 / 2]], dtype=torch.float64)
    torch.testing.assert_close(ranks, expected)


def test_ranks_of_equal_values_are_equal() -> None:
    assert centred_ranks(torch.full((6,), 500.0)).abs().max() == 0
    ranks = centred_ranks(torch.tensor([1.0, 1.0, 0.0, 2.0, 1.0]))
    torch.testing.assert_close(ranks, torch.tensor([0.0, 0, -0.5, 0.5, 0]).double())


def quadratic(theta: torch.Tensor) -> torch.Tensor:
    return -(theta - 2.0).square().sum(-1) + theta[..., 0]


@pytest.mark.parametrize("sigma", [0.01, 0.3, 5.0])
def test_exact_on_a_quadratic_whatever_sigma(sigma: float) -> None:
    theta = torch.tensor([1.0, -1.0, 0.5, 3.0], dtype=torch.float64)
    noise = 2.0 * torch.eye(4, dtype=torch.float64)  # its mean of ε εᵀ is the identity
    estimate = es_gradient(
        noise, quadratic(theta + sigma * noise), quadratic(theta - sigma * noise), sigma
    )
    exact = -2 * (theta - 2)
    exact[0] += 1
    torch.testing.assert_close(estimate, exact, rtol=0, atol=1e-11)


def test_variance_for_each_evaluation() -> None:
    """F = b + g·θ at θ = 0: one-sided d b²/σ² + (d + 1) |g|², antithetic 2 (d + 1) |g|²."""
    count, size, sigma, base = 200_000, 5, 0.1, 0.4354
    generator = torch.Generator().manual_seed(0)
    gradient = torch.full((size,), size**-0.5, dtype=torch.float64)
    noise = torch.randn(count, size, generator=generator, dtype=torch.float64)
    positive, negative = (base + s * sigma * noise @ gradient for s in (1, -1))
    one_sided = positive[:, None] * noise / sigma
    antithetic = torch.stack(
        [
            es_gradient(noise[i : i + 1], positive[i : i + 1], negative[i : i + 1], sigma)
            for i in range(2000)
        ]
    )
    vectorized = (positive - negative)[:, None] * noise / (2 * sigma)
    torch.testing.assert_close(antithetic, vectorized[:2000])
    error = vectorized.mean(0) - gradient
    assert float((error / (vectorized.std(0) / count**0.5)).abs().max()) < 4
    ratio = one_sided.var(0).sum() / (2 * vectorized.var(0).sum())
    exact = (size * base**2 / sigma**2 + size + 1) / (2 * (size + 1))
    assert exact == pytest.approx(8.4, abs=0.01)
    assert ratio.item() == pytest.approx(exact, rel=0.02)
