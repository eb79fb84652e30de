"""Standardization, spectral norm, and the gradient penalty in closed form and by differences."""

import pytest
import torch

from genrl.imitation.discriminator import Discriminator, Standardizer


def rows(count: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.01, 1.0, 30.0], dtype=torch.float64)
    return shift + scale * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def discriminator(hidden: tuple[int, ...], spectral_norm: bool = False) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(rows(500, 1), hidden, spectral_norm=spectral_norm).double()


def test_the_expert_is_standardized_to_mean_0_and_standard_deviation_1() -> None:
    expert = rows(500, 1, shift=4.0)
    z = Standardizer(expert)(expert)
    torch.testing.assert_close(z.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3, dtype=torch.float64))


def test_groups_of_any_size_count_alike() -> None:
    few, many = rows(100, 1, shift=4.0), rows(700, 2, shift=-1.0)
    standardize = Standardizer(few, many)
    both = torch.cat([few.repeat(7, 1), many])
    torch.testing.assert_close(standardize.mean, both.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(standardize.std, both.std(0, correction=0), rtol=1e-12, atol=1e-12)


def test_numbers_that_do_not_vary_keep_their_units() -> None:
    expert = rows(500, 1)
    expert[:, 1] = 5.0
    z = Standardizer(expert)(torch.full((1, 3), 7.0, dtype=torch.float64))
    assert z[0, 1] == 2.0


def test_gradient_penalty_of_a_linear_discriminator_is_closed() -> None:
    linear = discriminator(())
    slope = linear.network[0].weight
    penalty = linear.gradient_penalty(rows(64, 2), rows(64, 3), torch.Generator().manual_seed(0))
    torch.testing.assert_close(penalty, (slope.norm() - 1).square(), rtol=1e-12, atol=0)
    (gradient,) = torch.autograd.grad(penalty, slope)
    expected = 2 * (slope.norm() - 1) * slope / slope.norm()
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


def test_gradient_penalty_equals_finite_differences_between_the_pairs() -> None:
    network = discriminator((16, 16))
    expert, learner = rows(8, 2), rows(8, 3, shift=1.0)
    penalty = network.gradient_penalty(expert, learner, torch.Generator().manual_seed(5))
    share = torch.rand(8, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    points = share * expert + (1 - share) * learner
    slopes = []
    for k in range(3):
        # A step of 1e-6 in standardized units.
        step = torch.zeros(3, dtype=torch.float64)
        step[k] = 1e-6 * network.standardize.std[k]
        slopes.append((network(points + step) - network(points - step)) / 2e-6)
    norm = torch.stack(slopes, 1).norm(dim=1)
    expected = (norm - 1).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-7)


def test_spectral_norm_bounds_every_layer_and_the_slope() -> None:
    network = discriminator((16, 16), spectral_norm=True)
    for layer in network.network:
        if isinstance(layer, torch.nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-3)
    points = rows(100, 4).requires_grad_()
    (slope,) = torch.autograd.grad(network(points).sum(), points)
    assert bool(((slope * network.standardize.std).norm(dim=1) <= 1 + 1e-3).all())


def test_spectral_norm_leaves_no_trace_of_a_forward_pass() -> None:
    network = discriminator((16,), spectral_norm=True)
    first = network(rows(10, 1))
    for _ in range(5):
        network(rows(10, 2))
    assert torch.equal(network(rows(10, 1)), first)
