"""Categorical against torch.distributions and frequencies of samples."""

import pytest
import torch
from torch.distributions import Categorical as Reference
from torch.distributions import kl_divergence

from genrl.rl.distributions import Categorical, DiagGaussian

LOGITS = torch.tensor([[[0.0, 1.0, -2.0], [3.0, 3.0, 1.0]]], dtype=torch.float64)  # (1, 2, 3)


def test_density_entropy_and_divergence_are_those_of_torch():
    ours, theirs = Categorical(LOGITS), Reference(logits=LOGITS)
    for action in (torch.tensor([[0, 2]]), torch.tensor([[1, 1]])):
        torch.testing.assert_close(
            ours.log_prob(action), theirs.log_prob(action), rtol=0, atol=1e-14
        )
    torch.testing.assert_close(ours.entropy(), theirs.entropy(), rtol=0, atol=1e-14)
    other = LOGITS.flip(-1) * 0.5
    expected = kl_divergence(theirs, Reference(logits=other))
    torch.testing.assert_close(ours.kl(Categorical(other)), expected, rtol=0, atol=1e-14)


def test_probabilities_do_not_depend_on_a_shift():
    action = torch.tensor([[0, 2]])
    shifted = Categorical(LOGITS + 1e6).log_prob(action)
    torch.testing.assert_close(shifted, Categorical(LOGITS).log_prob(action), rtol=0, atol=1e-9)


def test_frequencies_of_samples(generator, near_in_mean):
    action = Categorical(LOGITS.expand(100_000, 2, 3)).sample(generator)
    assert action.shape == (100_000, 2)
    assert action.dtype == torch.int64
    near_in_mean(torch.nn.functional.one_hot(action, 3).double(), LOGITS.softmax(-1)[0])


def test_samples_follow_the_generator():
    many = Categorical(LOGITS.expand(100, 2, 3))
    first, second, other = (many.sample(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.equal(second)
    assert not first.equal(other)


def test_impossible_actions_are_never_drawn(generator):
    logits = torch.tensor([0.0, -torch.inf, -1000.0]).expand(10_000, 3)
    assert (Categorical(logits).sample(generator) == 0).all()


def test_mode_gradient_and_detached():
    logits = LOGITS.clone().requires_grad_()
    distribution = Categorical(logits)
    assert distribution.mode.tolist() == [[1, 0]]
    action = torch.tensor([[0, 2]])
    (slope,) = torch.autograd.grad(distribution.log_prob(action).sum(), logits)
    expected = torch.nn.functional.one_hot(action, 3) - LOGITS.softmax(-1)
    torch.testing.assert_close(slope, expected)
    assert not distribution.detach().entropy().requires_grad


def test_what_it_cannot_do():
    assert not Categorical.has_rsample
    with pytest.raises(NotImplementedError, match="no reparameterized samples"):
        Categorical(LOGITS).rsample_with_log_prob()
    with pytest.raises(NotImplementedError, match="no closed form"):
        Categorical(LOGITS).kl(DiagGaussian(LOGITS, LOGITS))
