"""A deterministic policy's distribution."""

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.distributions import Dirac


def test_only_the_mode_carries_a_gradient():
    action = torch.tensor([[1.0, 2.0]], requires_grad=True)
    distribution = Dirac(action)
    assert distribution.mode.requires_grad
    assert not distribution.sample().requires_grad
    assert distribution.sample().equal(action)
    assert not distribution.detach().mode.requires_grad
    assert distribution.entropy() is None


def test_a_density_is_refused_with_the_way_out():
    with pytest.raises(ConfigurationError, match="no density: take policy=gaussian"):
        Dirac(torch.zeros(1, 2)).log_prob(torch.zeros(1, 2))
    assert not Dirac.has_rsample
