"""TanhGaussian against torch's TransformedDistribution in fp64, quadrature and Monte Carlo."""

import math

import pytest
import scipy.integrate
import torch
from torch.distributions import AffineTransform, Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from genrl.rl.distributions import Bounds, DiagGaussian, TanhGaussian

MEAN = torch.tensor([[0.3, -1.0], [0.0, 0.5]], dtype=torch.float64)
LOG_STD = torch.tensor([[-0.5, 0.2], [0.4, -1.0]], dtype=torch.float64)
LOW, HIGH = (torch.tensor(end, dtype=torch.float64) for end in ((-2.0, -1.0), (3.0, 0.5)))
UNIT = torch.ones(1, dtype=torch.float64)


def reference(mean, log_std, low, high):
    base = Independent(Normal(mean, log_std.exp()), 1)
    onto = AffineTransform((low + high) / 2, (high - low) / 2, event_dim=1)
    return TransformedDistribution(base, [TanhTransform(), onto])


def test_density_is_that_of_torch(generator):
    ours = TanhGaussian(MEAN, LOG_STD, Bounds(LOW, HIGH))
    theirs = reference(MEAN, LOG_STD, LOW, HIGH)
    action = LOW + (HIGH - LOW) * torch.rand(50, 2, 2, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action), rtol=0, atol=1e-12)


def test_single_precision_is_exact_up_to_the_bounds():
    gaps = torch.logspace(-7, 0, 200, dtype=torch.float64)
    action = torch.cat([1 - gaps, gaps - 1]).float()[:, None]
    assert action.abs().max() >= 1 - 1.2e-7
    zero = torch.zeros(1)
    for log_std in (-1.0, 0.0, 1.0):
        ours = TanhGaussian(zero, zero + log_std, Bounds(-UNIT.float(), UNIT.float()))
        theirs = reference(zero.double(), zero.double() + log_std, -UNIT, UNIT)
        # The same numbers, which are rounded already: only our arithmetic is compared.
        torch.testing.assert_close(
            ours.log_prob(action).double(),
            theirs.log_prob(action.double()),
            rtol=1e-6,
            atol=1e-6,
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("u", [-20.0, -12.0, 0.0, 12.0, 20.0, 60.0])
def test_volume_far_outside_is_exact(u, dtype):
    """-22.6 and -38.6 at 12 and 20, where log(1 - tanh² + 1e-6) stays at -13.8 (contract C3)."""
    narrow = TanhGaussian(
        torch.full((1, 1), u, dtype=dtype),
        torch.full((1, 1), -40.0, dtype=dtype),
        Bounds(-UNIT.to(dtype), UNIT.to(dtype)),
    )
    action, log_prob = narrow.rsample_with_log_prob(torch.Generator().manual_seed(0))
    flat = DiagGaussian(narrow.mean, narrow.log_std)
    _, before = flat.rsample_with_log_prob(torch.Generator().manual_seed(0))
    exact = -2 * math.log(math.cosh(u))
    assert float(before - log_prob) == pytest.approx(
        exact, rel=1e-6 if dtype.itemsize == 4 else 1e-12
    )
    classical = torch.log(1 - torch.tensor(u).tanh() ** 2 + 1e-6)
    if abs(u) > 10:
        assert float(classical) == pytest.approx(-13.8, abs=0.05)
        assert abs(float(action)) == pytest.approx(1)


def test_density_integrates_to_one_over_the_bounds():
    bounds = Bounds(LOW[:1], HIGH[:1])
    one = TanhGaussian(MEAN[:1, :1], LOG_STD[:1, :1], bounds)
    total, _ = scipy.integrate.quad(
        lambda a: float(one.log_prob(torch.tensor([[a]], dtype=torch.float64)).exp()), -2, 3
    )
    assert total == pytest.approx(1, abs=1e-8)


def test_density_of_a_reparameterized_sample_is_that_of_its_action(generator):
    distribution = TanhGaussian(MEAN, LOG_STD, Bounds(LOW, HIGH))
    action, log_prob = distribution.rsample_with_log_prob(generator)
    assert ((action > LOW) & (action < HIGH)).all()
    torch.testing.assert_close(log_prob, distribution.log_prob(action), rtol=0, atol=1e-11)


def test_entropy_of_samples_is_that_of_the_density(generator, near_in_mean):
    bounds = Bounds(LOW[:1], HIGH[:1])
    one = TanhGaussian(MEAN[:1, :1], LOG_STD[:1, :1], bounds)

    def integrand(a):
        log_prob = float(one.log_prob(torch.tensor([[a]], dtype=torch.float64)))
        return -log_prob * math.exp(log_prob)

    entropy, _ = scipy.integrate.quad(integrand, -2, 3)
    assert one.entropy() is None
    many = TanhGaussian(MEAN[:1, :1].expand(200_000, 1), LOG_STD[:1, :1], bounds)
    _, log_prob = many.rsample_with_log_prob(generator)
    near_in_mean(-log_prob[:, None], torch.tensor([entropy], dtype=torch.float64))


def test_divergence_is_an_expectation_over_samples(generator, near_in_mean):
    bounds = Bounds(LOW, HIGH)
    p = TanhGaussian(MEAN.expand(200_000, 2, 2), LOG_STD, bounds)
    q = TanhGaussian(MEAN + 0.4, LOG_STD + 0.2, bounds)
    action = p.sample(generator)
    near_in_mean(p.log_prob(action) - q.log_prob(action), p.kl(q)[0])


def test_gradient_of_a_reparameterized_sample(difference):
    bounds = Bounds(LOW, HIGH)

    def objective(mean, log_std):
        generator = torch.Generator().manual_seed(1)
        action, log_prob = TanhGaussian(mean, log_std, bounds).rsample_with_log_prob(generator)
        return action.square().sum() + 0.3 * log_prob.sum()

    mean, log_std = MEAN.clone().requires_grad_(), LOG_STD.clone().requires_grad_()
    slopes = torch.autograd.grad(objective(mean, log_std), (mean, log_std))
    expected = (
        difference(lambda m: objective(m, LOG_STD), MEAN),
        difference(lambda s: objective(MEAN, s), LOG_STD),
    )
    torch.testing.assert_close(slopes, expected, rtol=0, atol=1e-8)


def test_gradient_far_outside_is_finite_and_exact():
    mean = torch.tensor([[30.0, -30.0]], requires_grad=True)
    bounds = Bounds(-torch.ones(2), torch.ones(2))
    _, log_prob = TanhGaussian(mean, torch.full((1, 2), -20.0), bounds).rsample_with_log_prob()
    (slope,) = torch.autograd.grad(log_prob.sum(), mean)
    torch.testing.assert_close(slope, torch.tensor([[2.0, -2.0]]))  # 2 tanh u


def test_recorded_actions_at_the_bounds_have_a_density():
    distribution = TanhGaussian(MEAN.float(), LOG_STD.float(), Bounds(LOW.float(), HIGH.float()))
    for action in (LOW, HIGH, LOW - 1, HIGH + 1):
        assert distribution.log_prob(action.float().expand(2, 2)).isfinite().all()


def test_samples_lie_in_the_bounds_and_carry_no_gradient(generator):
    bounds = Bounds(LOW.float(), HIGH.float())
    mean = torch.zeros(1000, 2, requires_grad=True)
    sample = TanhGaussian(mean, torch.full((2,), 2.0), bounds).sample(generator)
    assert not sample.requires_grad
    assert ((sample >= LOW) & (sample <= HIGH)).all()
    assert (sample.amin(0) < LOW + 0.01).all()
    assert (sample.amax(0) > HIGH - 0.01).all()


def test_mode_is_the_median():
    distribution = TanhGaussian(MEAN, LOG_STD, Bounds(LOW, HIGH))
    expected = (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * MEAN.tanh()
    torch.testing.assert_close(distribution.mode, expected)


def test_detached_carries_no_gradient():
    distribution = TanhGaussian(MEAN.clone().requires_grad_(), LOG_STD, Bounds(LOW, HIGH))
    assert distribution.log_prob(LOW + 0.1).requires_grad
    assert not distribution.detach().log_prob(LOW + 0.1).requires_grad
