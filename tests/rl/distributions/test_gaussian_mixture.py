"""GaussianMixture against torch's MixtureSameFamily, quadrature and moments."""

import pytest
import scipy.integrate
import torch
from torch import distributions as reference

from genrl.rl.distributions import GaussianMixture

LOGITS = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.5]], dtype=torch.float64)
MEAN = torch.linspace(-2, 3, 12, dtype=torch.float64).view(2, 3, 2)
LOG_STD = torch.linspace(-1, 0.5, 12, dtype=torch.float64).view(2, 3, 2).flip(1)


def test_density_is_that_of_torch(generator):
    action = torch.randn(7, 2, 2, dtype=torch.float64, generator=generator) * 2
    theirs = reference.MixtureSameFamily(
        reference.Categorical(logits=LOGITS),
        reference.Independent(reference.Normal(MEAN, LOG_STD.exp()), 1),
    )
    ours = GaussianMixture(LOGITS, MEAN, LOG_STD).log_prob(action)
    torch.testing.assert_close(ours, theirs.log_prob(action), rtol=0, atol=1e-12)


def test_density_integrates_to_one():
    one = GaussianMixture(LOGITS[0], MEAN[0, :, :1], LOG_STD[0, :, :1])
    total, _ = scipy.integrate.quad(
        lambda a: float(one.log_prob(torch.tensor([a], dtype=torch.float64)).exp()),
        -12,
        12,
        limit=200,
    )
    assert total == pytest.approx(1, abs=1e-8)


def test_far_away_the_density_is_finite():
    mixture = GaussianMixture(LOGITS.float(), MEAN.float(), LOG_STD.float() - 4)
    assert mixture.log_prob(torch.full((2, 2), 100.0)).isfinite().all()


def test_moments_of_samples(generator, near_in_mean):
    count = 200_000
    shape = (count, 2, 3, 2)
    mixture = GaussianMixture(LOGITS.expand(shape[:-1]), MEAN.expand(shape), LOG_STD.expand(shape))
    sample = mixture.sample(generator)
    weight = LOGITS.softmax(-1)[..., None]
    near_in_mean(sample, (weight * MEAN).sum(1))
    second = (weight * (MEAN.square() + (2 * LOG_STD).exp())).sum(1)
    near_in_mean(sample.square(), second)
    # Both numbers of an action come from one component.
    near_in_mean(sample.prod(-1), (weight[..., 0] * MEAN.prod(-1)).sum(1))


def test_the_mode_is_where_the_density_is_greatest_not_the_weight():
    mixture = GaussianMixture(
        torch.tensor([[[0.6, 0.4]]]).log(),
        torch.tensor([[[[0.0], [5.0]]]]),
        torch.tensor([[[[0.0], [-2.0]]]]),
    )
    assert mixture.mode.shape == (1, 1, 1)
    assert mixture.mode.item() == 5.0
    grid = torch.linspace(-3, 8, 20_001)[:, None]
    best = grid[mixture.log_prob(grid[:, None, None]).flatten().argmax()]
    assert best.item() == pytest.approx(5.0, abs=1e-3)


def test_gradient_of_the_density():
    values = tuple(value.clone().requires_grad_() for value in (LOGITS, MEAN, LOG_STD))
    action = torch.tensor([[0.5, -0.5], [1.0, 2.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *v: GaussianMixture(*v).log_prob(action), values)
    assert not GaussianMixture(*values).sample().requires_grad
    assert not GaussianMixture(*values).detach().log_prob(action).requires_grad
