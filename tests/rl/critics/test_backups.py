"""The projection against its dense formula and identities, the quantile loss against loops."""

import numpy as np
import pytest
import torch
from torch import Tensor

from genrl.rl.critics.backups import project, quantile_huber_loss, quantile_levels

ATOMS = torch.linspace(-3, 7, 11, dtype=torch.float64)


def dense(probabilities: Tensor, values: Tensor, atoms: Tensor) -> Tensor:
    spacing = atoms[1] - atoms[0]
    distance = (values.clamp(atoms[0], atoms[-1])[:, None, :] - atoms[None, :, None]).abs()
    return ((1 - distance / spacing).clamp(min=0) * probabilities[:, None, :]).sum(-1)


def random_distributions(low: float, high: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(200, 11, generator=generator, dtype=torch.float64)
    uniform = torch.rand(200, 11, generator=generator, dtype=torch.float64)
    return logits.softmax(-1), low + (high - low) * uniform


def test_projection_is_the_dense_formula() -> None:
    for low, high in ((-3, 7), (-20, 20), (7, 30), (-30, -3)):
        probabilities, values = random_distributions(low, high)
        torch.testing.assert_close(
            project(probabilities, values, ATOMS),
            dense(probabilities, values, ATOMS),
            rtol=0,
            atol=1e-14,
        )


def test_projection_keeps_mass_always_and_mean_within_the_grid() -> None:
    for low, high in ((-3, 7), (-20, 20)):
        probabilities, values = random_distributions(low, high)
        projected = project(probabilities, values, ATOMS)
        one = torch.ones(200, dtype=torch.float64)
        torch.testing.assert_close(projected.sum(-1), one, rtol=0, atol=1e-14)
        assert (projected >= 0).all()
        mean = (probabilities * values.clamp(-3, 7)).sum(-1)
        torch.testing.assert_close(projected @ ATOMS, mean, rtol=0, atol=1e-13)


def test_values_on_atoms_keep_all_of_their_mass() -> None:
    # The classical mistake loses it where the lower and the upper neighbour are the same atom.
    probabilities, _ = random_distributions(0, 1)
    same = project(probabilities, ATOMS.expand(200, 11), ATOMS)
    torch.testing.assert_close(same, probabilities, rtol=0, atol=1e-14)
    shifted = project(probabilities, (ATOMS + 1).expand(200, 11), ATOMS)
    torch.testing.assert_close(shifted[:, 1:-1], probabilities[:, :-2], rtol=0, atol=1e-14)


def test_projection_stays_a_distribution_in_single_precision() -> None:
    atoms = torch.linspace(-0.3, 0.7, 51)
    probabilities, values = (x.float() for x in random_distributions(-1, 1))
    projected = project(probabilities, values, atoms)
    assert (projected >= 0).all()
    torch.testing.assert_close(projected.sum(-1), torch.ones(200), rtol=0, atol=1e-6)


def test_cross_entropy_gradient_is_the_difference_of_the_distributions() -> None:
    probabilities, values = random_distributions(-3, 7)
    target = project(probabilities, values, ATOMS)
    logits = torch.randn(200, 11, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(-(target * logits.log_softmax(-1)).sum(), logits)
    difference = logits.detach().softmax(-1) - target
    torch.testing.assert_close(gradient, difference, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kappa", [0.3, 1.0, 5.0])
def test_quantile_loss_is_the_double_loop(kappa: float) -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    target = 2 * torch.randn(4, 7, generator=generator, dtype=torch.float64)
    loss = quantile_huber_loss(values, target, (torch.arange(5) + 0.5).double() / 5, kappa)
    for member, example in np.ndindex(2, 4):
        total = 0.0
        for i in range(5):
            for j in range(7):
                u = float(target[example, j] - values[member, example, i])
                huber = 0.5 * u * u if abs(u) <= kappa else kappa * (abs(u) - 0.5 * kappa)
                total += abs((i + 0.5) / 5 - (u < 0)) * huber / kappa / 7
        assert float(loss[member, example]) == pytest.approx(total, rel=1e-13)


def test_quantile_loss_is_least_at_the_quantiles() -> None:
    # Samples 0, 1, ..., 999; a small κ makes the loss that of exact quantiles.
    target = torch.arange(1000, dtype=torch.float64)
    levels = quantile_levels(4).double()
    values = (1000 * levels - 0.5).requires_grad_()
    (gradient,) = torch.autograd.grad(quantile_huber_loss(values, target, levels, 1e-6), values)
    assert levels.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert gradient.abs().max() < 1e-9
    low = (values.detach() - 100).requires_grad_()
    (gradient,) = torch.autograd.grad(quantile_huber_loss(low, target, levels, 1e-6), low)
    torch.testing.assert_close(gradient, torch.full_like(gradient, -0.1), rtol=1e-6, atol=0)
