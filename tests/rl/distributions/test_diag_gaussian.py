"""DiagGaussian against torch.distributions, quadrature, Monte Carlo and finite differences."""

import pytest
import scipy.integrate
import torch
from torch.distributions import Independent, Normal, kl_divergence

from genrl.rl.distributions import Categorical, DiagGaussian

MEAN = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.2]], dtype=torch.float64)
SHARED = torch.tensor([-0.5, 0.2, 0.9], dtype=torch.float64)
OWN = torch.stack([SHARED, SHARED.flip(0)])


def reference(mean, log_std):
    return Independent(Normal(mean, log_std.exp().expand_as(mean)), 1)


@pytest.mark.parametrize("log_std", [SHARED, OWN], ids=["shared", "own"])
def test_density_and_entropy_are_those_of_torch(log_std, generator):
    ours, theirs = DiagGaussian(MEAN, log_std), reference(MEAN, log_std)
    action = torch.randn(2, 3, dtype=torch.float64, generator=generator) * 3
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action), rtol=0, atol=1e-13)
    torch.testing.assert_close(ours.entropy(), theirs.entropy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("other_std", [SHARED - 0.3, OWN * 0.5], ids=["shared", "own"])
def test_divergence_is_that_of_torch(other_std):
    ours = DiagGaussian(MEAN, SHARED).kl(DiagGaussian(MEAN + 0.4, other_std))
    theirs = kl_divergence(reference(MEAN, SHARED), reference(MEAN + 0.4, other_std))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


def test_entropy_and_divergence_are_expectations_over_samples(generator, near_in_mean):
    mean = MEAN.expand(200_000, 2, 3)
    p, q = DiagGaussian(mean, OWN), DiagGaussian(MEAN + 0.4, SHARED)
    action = p.sample(generator)
    near_in_mean(-p.log_prob(action), p.entropy()[0])
    near_in_mean(p.log_prob(action) - q.log_prob(action), DiagGaussian(MEAN, OWN).kl(q))


def test_density_integrates_to_one():
    one = DiagGaussian(MEAN[0, :1], SHARED[:1])
    total, _ = scipy.integrate.quad(
        lambda a: float(one.log_prob(torch.tensor([a], dtype=torch.float64)).exp()), -8, 8
    )
    assert total == pytest.approx(1, abs=1e-9)


def test_gradient_of_a_reparameterized_sample(difference):
    def objective(mean, log_std):
        generator = torch.Generator().manual_seed(1)
        action, log_prob = DiagGaussian(mean, log_std).rsample_with_log_prob(generator)
        return action.square().sum() + log_prob.sum()

    mean, log_std = MEAN.clone().requires_grad_(), SHARED.clone().requires_grad_()
    slopes = torch.autograd.grad(objective(mean, log_std), (mean, log_std))
    expected = (
        difference(lambda m: objective(m, SHARED), MEAN),
        difference(lambda s: objective(MEAN, s), SHARED),
    )
    torch.testing.assert_close(slopes, expected, rtol=0, atol=1e-8)


def test_density_of_a_reparameterized_sample_is_that_of_its_action(generator):
    distribution = DiagGaussian(MEAN, SHARED)
    action, log_prob = distribution.rsample_with_log_prob(generator)
    torch.testing.assert_close(log_prob, distribution.log_prob(action), rtol=0, atol=1e-13)


def test_samples_follow_the_generator_and_carry_no_gradient():
    distribution = DiagGaussian(MEAN.clone().requires_grad_(), SHARED)
    first, second, other = (
        distribution.sample(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert not first.requires_grad
    assert first.equal(second)
    assert not first.equal(other)
    reparameterized, _ = distribution.rsample_with_log_prob(torch.Generator().manual_seed(1))
    assert reparameterized.equal(first)


def test_detached_and_mode():
    distribution = DiagGaussian(MEAN.clone().requires_grad_(), SHARED.clone().requires_grad_())
    assert distribution.mode.equal(MEAN)
    assert distribution.entropy().requires_grad
    still = distribution.detach()
    assert not still.log_prob(MEAN).requires_grad
    assert not still.entropy().requires_grad


def test_no_closed_form_with_another_kind():
    with pytest.raises(NotImplementedError, match="DiagGaussian has no closed form"):
        DiagGaussian(MEAN, SHARED).kl(Categorical(MEAN))
