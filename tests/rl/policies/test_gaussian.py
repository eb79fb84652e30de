"""GaussianPolicy: where its spread comes from."""

import pytest
import torch

from genrl.rl.policies import GaussianPolicy


@pytest.mark.parametrize("std", ["free", "state"])
def test_it_starts_near_zero_with_the_chosen_spread(std, bounded):
    torch.manual_seed(0)
    distribution = GaussianPolicy(bounded, std=std, initial_log_std=-0.7)(torch.randn(100, 3))
    assert distribution.mean.abs().max() < 0.1
    spread = distribution.log_std.expand(100, 2)
    torch.testing.assert_close(spread, torch.full((100, 2), -0.7), rtol=0, atol=0.1)


def test_only_the_computed_spread_depends_on_the_state(bounded):
    obs = 100 * torch.randn(2, 3)
    free, computed = (GaussianPolicy(bounded, std=std) for std in ("free", "state"))
    assert free(obs).log_std is free.head.log_std
    assert not computed(obs).log_std[0].equal(computed(obs).log_std[1])


def test_the_computed_spread_stays_within_its_limits(bounded):
    policy = GaussianPolicy(bounded, std="state", initial_log_std=10.0)
    assert (policy(torch.randn(5, 3)).log_std == 2.0).all()


def test_without_hidden_layers_it_is_linear(bounded):
    policy = GaussianPolicy(bounded, features=())
    obs = torch.randn(4, 3)
    mean = policy(obs).mean
    torch.testing.assert_close(policy(3 * obs).mean, 3 * mean)
