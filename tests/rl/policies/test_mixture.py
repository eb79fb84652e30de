"""MixturePolicy: several modes, which one Gaussian cannot have."""

import torch

from genrl.rl.policies import GaussianPolicy, MixturePolicy
from genrl.rl.spec import EnvSpec


def test_components_start_apart_also_at_a_zero_observation(bounded):
    zero = torch.zeros(1, 3)
    torch.manual_seed(0)
    mean = MixturePolicy(bounded, components=4)(torch.cat([torch.randn(50, 3), zero])).mean
    assert mean.shape == (51, 4, 2)
    assert (mean.std(1) > 0.1).all()


def test_spread_stays_above_its_floor(bounded):
    policy = MixturePolicy(bounded, initial_log_std=-30.0, min_log_std=-4.0)
    assert (policy(torch.randn(5, 3)).log_std == -4.0).all()


def test_it_learns_both_of_two_demonstrated_actions():
    """a = ±1 with σ = 0.1: H = log 2 + log(0.1 √(2πe)) = -0.19 nats; one Gaussian: 1.42."""
    spec = EnvSpec("Fork-v0", 1, 1, False, (-2.0,), (2.0,))
    generator = torch.Generator().manual_seed(0)
    obs = torch.zeros(256, 1, 1)
    sign = torch.randint(2, (256, 1, 1), generator=generator) * 2.0 - 1
    action = sign + 0.1 * torch.randn(256, 1, 1, generator=generator)
    valid = torch.ones(256, 1, dtype=torch.bool)
    losses = []
    for kind in (MixturePolicy, GaussianPolicy):
        torch.manual_seed(0)
        policy = kind(spec, features=(16,))
        optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
        for _ in range(300):
            loss = policy.cloning_loss(obs, action, valid).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
        if kind is MixturePolicy:
            sample = policy(torch.zeros(1000, 1)).sample(generator)
            assert 0.4 < (sample > 0).float().mean() < 0.6
            assert (sample.abs() - 1).abs().mean() < 0.15
    assert losses[0] < -0.1
    assert losses[1] > 1.35
