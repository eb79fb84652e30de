"""Generalized state-dependent exploration: its spread, and how long its noise is kept."""

import pytest
import torch

from genrl.rl.policies import GaussianPolicy


@pytest.fixture
def policy(bounded):
    torch.manual_seed(0)
    policy = GaussianPolicy(
        bounded, features=(16,), sde=True, sde_period=4, initial_log_std=-1.0
    ).double()
    with torch.no_grad():
        policy.head.log_std.add_(0.5 * torch.randn_like(policy.head.log_std))
    return policy


def run(policy, obs, starts, seed=1):
    """Actions of (time, env, ·) observations."""
    generator = torch.Generator().manual_seed(seed)
    memory = torch.zeros(obs.shape[1], policy.memory_size, dtype=obs.dtype)
    actions = []
    for seen, start in zip(obs, starts, strict=True):
        action, memory = policy.act(seen, start, memory, generator=generator)
        actions.append(action)
    return torch.stack(actions)


def noise_of(policy, obs, starts):
    return run(policy, obs, starts) - policy(obs).mean


def test_spread_is_that_of_the_density(policy):
    """Sample covariance over fresh matrices: diagonal, with variance φ² @ σ²."""
    count = 200_000
    obs = torch.randn(3, dtype=torch.float64)
    noise = noise_of(policy, obs.expand(1, count, 3), torch.ones(1, count, dtype=torch.bool))[0]
    phi = torch.tanh(policy.head.body[0](obs))
    variance = phi.square() @ (2 * policy.head.log_std).exp()
    torch.testing.assert_close(policy(obs).log_std.exp().square(), variance, rtol=1e-6, atol=0)
    # Standard error of a variance: σ² √(2 / n), 0.3 %; of the mean: σ / √n.
    assert (noise.var(0) / variance - 1).abs().max() < 4 * (2 / count) ** 0.5
    assert (noise.mean(0) / variance.sqrt()).abs().max() < 4 / count**0.5
    correlation = torch.corrcoef(noise.T)[0, 1]
    assert correlation.abs() < 4 / count**0.5


def test_the_density_is_a_gaussian_with_that_spread(policy):
    obs = torch.randn(6, 3, dtype=torch.float64)
    distribution = policy(obs)
    action = torch.randn(6, 2, dtype=torch.float64)
    reference = torch.distributions.Normal(distribution.mean, distribution.log_std.exp())
    expected = reference.log_prob(action).sum(-1)
    torch.testing.assert_close(distribution.log_prob(action), expected)


def test_noise_is_constant_over_the_period_and_then_another(policy):
    obs = torch.randn(3, dtype=torch.float64).expand(12, 2, 3)
    starts = torch.zeros(12, 2, dtype=torch.bool)
    starts[0] = True
    actions = run(policy, obs, starts)
    for first in (0, 4, 8):
        for step in range(first, first + 4):
            assert actions[step].equal(actions[first])
        assert first == 0 or (actions[first] != actions[first - 1]).all()
    assert (actions[:, 0] != actions[:, 1]).all()


def test_a_new_episode_draws_anew_in_its_environment_alone(policy):
    obs = torch.randn(3, dtype=torch.float64).expand(7, 2, 3)
    starts = torch.zeros(7, 2, dtype=torch.bool)
    starts[0] = True
    starts[2, 1] = True
    changed = (run(policy, obs, starts).diff(dim=0) != 0).all(-1)
    assert changed[:, 0].nonzero().flatten().tolist() == [3]  # steps 0-3, 4-6
    assert changed[:, 1].nonzero().flatten().tolist() == [1, 5]  # steps 0-1, 2-5, 6


def test_period_zero_lasts_for_the_episode(policy):
    policy.head.period = 0
    obs = torch.randn(3, dtype=torch.float64).expand(50, 1, 3)
    starts = torch.zeros(50, 1, dtype=torch.bool)
    starts[[0, 30]] = True
    changed = (run(policy, obs, starts).diff(dim=0) != 0).all(-1)
    assert changed.flatten().nonzero().flatten().tolist() == [29]


def test_noise_is_linear_in_the_last_hidden_layer(policy):
    """Within a period, equal features get equal noise, and doubled ones twice as much."""
    obs = torch.randn(4, 1, 3, dtype=torch.float64)
    starts = torch.zeros(4, 1, dtype=torch.bool)
    starts[0] = True
    noise = noise_of(policy, obs, starts)[:, 0]
    phi = torch.tanh(policy.head.body[0](obs))[:, 0]
    generator = torch.Generator().manual_seed(1)
    memory = torch.zeros(1, policy.memory_size, dtype=torch.float64)
    _, memory = policy.act(obs[0], starts[0], memory, generator=generator)
    matrix = memory[0, 1:].view(16, 2) * policy.head.log_std.exp()
    torch.testing.assert_close(noise, phi @ matrix)


def test_deterministic_actions_have_no_noise_and_leave_the_memory(policy):
    obs = torch.randn(2, 3, dtype=torch.float64)
    memory = torch.randn(2, policy.memory_size, dtype=torch.float64)
    action, after = policy.act(obs, torch.zeros(2, dtype=torch.bool), memory, deterministic=True)
    assert action.equal(policy(obs).mean)
    assert after.equal(memory)


def test_features_learn_from_the_mean_alone(policy):
    spread = policy(torch.randn(5, 3, dtype=torch.float64)).log_std.sum()
    spread.backward()
    assert policy.head.log_std.grad.abs().sum() > 0
    assert policy.head.body[0].weight.grad is None


def test_features_do_not_depend_on_the_memory(policy):
    assert policy.memory_size == 1 + 16 * 2
    assert not policy.is_recurrent
    assert policy.num_features == 3
