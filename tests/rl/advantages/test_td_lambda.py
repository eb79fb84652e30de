"""λ-returns against the mixture of n-step returns, and against GAE."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE, NStep, TDLambda, advantages

Rollout = dict[str, torch.Tensor]


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("ends", [0.0, 0.1])
def test_is_the_mixture_of_n_step_returns(
    lam: float, ends: float, make_rollout: Callable[..., Rollout]
) -> None:
    given, time = make_rollout(1, time=30, ends=ends), 30
    each = [NStep(steps=n)(**given, gamma=0.95)[1].numpy() for n in range(1, time + 1)]
    # Beyond the end all n-step returns are the same: the last one takes the weight that is left.
    mixture = sum((1 - lam) * lam ** (n - 1) * each[n - 1] for n in range(1, time))
    mixture = mixture + lam ** (time - 1) * each[-1]
    estimate, returns = TDLambda(lam=lam)(**given, gamma=0.95)
    np.testing.assert_allclose(returns, mixture, rtol=0, atol=1e-14)
    np.testing.assert_allclose(estimate, mixture - given["values"].numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_equals_gae(lam: float, make_rollout: Callable[..., Rollout]) -> None:
    given = make_rollout(2)
    for ours, theirs in zip(
        TDLambda(lam=lam)(**given, gamma=0.98), GAE(lam=lam)(**given, gamma=0.98), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def test_refuses_lambda_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match=r"lam must lie between 0 and 1, not -0\.1"):
        advantages.build({"name": "td_lambda", "lam": -0.1})
