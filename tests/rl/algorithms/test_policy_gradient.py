"""Policy gradients over all actions at once: equal to soft Q-learning's, entropies included."""

import pytest
import torch

from genrl.rl.algorithms.on_policy import OnPolicyBatch
from genrl.rl.algorithms.policy_gradient import entropy_term, fit_values, valid_only
from genrl.rl.critics import ValuePerceptron
from genrl.rl.distributions.categorical import Categorical
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import simple_transitions


class WithoutClosedForm(Categorical):
    """A distribution that does not tell its entropy."""

    def entropy(self) -> None:  # type: ignore[override]
        return None


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_soft_q_learning_is_the_same_gradient(temperature: float) -> None:
    """E ½ (Q - y)² with Q = V + τ log(π/π̄): τ times the policy loss, and the value loss.

    Schulman, Chen & Abbeel 2017, Equivalence Between Policy Gradients and Soft Q-Learning.
    """
    generator = torch.Generator().manual_seed(0)
    states, actions = 5, 4
    logits = torch.randn(states, actions, generator=generator, dtype=torch.float64)
    values = torch.randn(states, generator=generator, dtype=torch.float64)
    targets = torch.randn(states, actions, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    values.requires_grad_()
    policy = Categorical(logits)
    each = torch.arange(actions).expand(states, actions)
    log_prob = torch.stack([policy.log_prob(each[:, a]) for a in range(actions)], 1)
    weight = log_prob.detach().exp() / states

    log_ratio = log_prob + torch.tensor(float(actions)).double().log()  # to the uniform policy
    soft_q = values[:, None] + temperature * log_ratio
    q_loss = (weight * 0.5 * (soft_q - targets).square()).sum()

    divergence = torch.tensor(float(actions)).double().log() - entropy_term(policy, log_prob[:, 0])
    soft_return = (weight * states * targets).sum(1) - temperature * divergence.detach()
    advantages = targets - values.detach()[:, None]
    policy_loss = -(weight * log_prob * advantages).sum() + temperature * divergence.mean()
    value_loss = 0.5 * (values - soft_return).square().mean()

    ours = torch.autograd.grad(
        temperature * policy_loss + value_loss, [logits, values], retain_graph=True
    )
    theirs = torch.autograd.grad(q_loss, [logits, values], retain_graph=True)
    for left, right in zip(ours, theirs, strict=True):
        assert right.abs().max() > 0.01
        torch.testing.assert_close(left, right, rtol=0, atol=2e-15)


def test_entropy_without_closed_form_has_the_same_mean_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, generator=generator, dtype=torch.float64).requires_grad_()
    weight = logits.detach().softmax(0)
    batch = WithoutClosedForm(logits.expand(6, 6))
    estimate = entropy_term(batch, batch.log_prob(torch.arange(6)))
    exact = Categorical(logits).entropy()
    torch.testing.assert_close((weight * estimate.detach()).sum(), exact.detach())
    (ours,) = torch.autograd.grad((weight * estimate).sum(), logits)
    (theirs,) = torch.autograd.grad(exact, logits)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)


def test_fit_values_finds_the_regression() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    spec = EnvSpec("test", 2, 1)
    critic = ValuePerceptron(spec, 2, features=())
    features = torch.randn(256, 2, generator=generator)
    returns = 3 * features[:, 0] - features[:, 1] + 2
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.1)
    loss, count = fit_values(
        critic,
        optimizer,
        features,
        returns,
        epochs=80,
        batch_size=100,
        generator=generator,
    )
    assert count == 80 * 3
    torch.testing.assert_close(critic(features), returns, rtol=0, atol=1e-2)
    assert loss == pytest.approx(0, abs=1.0)


def test_dead_transitions_are_left_out() -> None:
    valid = torch.tensor([[True, False], [True, True]])
    field = torch.arange(4.0).view(2, 2)
    obs = torch.zeros(2, 2, 1)
    batch = OnPolicyBatch(simple_transitions(obs, obs, obs), obs, *[field] * 4, valid)
    assert valid_only(batch, field).tolist() == [0, 2, 3]
