"""CategoricalPolicy: near uniform at first."""

import math

import torch

from genrl.rl.policies import CategoricalPolicy


def test_it_starts_near_uniform(specs):
    torch.manual_seed(0)
    entropy = CategoricalPolicy(specs["discrete"])(torch.randn(100, 3)).entropy()
    assert (entropy > math.log(4) - 0.001).all()
