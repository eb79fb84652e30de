"""n-step advantages against sums of rewards, written out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE, NStep, advantages

Rollout = dict[str, torch.Tensor]


@pytest.mark.parametrize("steps", [1, 2, 5, 8, 39, 40, 1000])
def test_equals_the_sum_of_rewards(steps: int, make_rollout: Callable[..., Rollout]) -> None:
    given, gamma = make_rollout(steps), 0.97
    r, v, w, terminated, truncated = (field.numpy() for field in given.values())
    expected = np.zeros_like(r)
    for env in range(r.shape[1]):
        for t in range(len(r)):
            for k in range(t, min(len(r), t + steps)):
                expected[t, env] += gamma ** (k - t) * r[k, env]
                if terminated[k, env] or truncated[k, env]:
                    break
            expected[t, env] += 0 if terminated[k, env] else gamma ** (k - t + 1) * w[k, env]
    estimate, returns = NStep(steps=steps)(**given, gamma=gamma)
    np.testing.assert_allclose(returns, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(estimate, expected - v, rtol=0, atol=1e-14)


def test_one_and_all_steps_are_the_ends_of_gae(make_rollout: Callable[..., Rollout]) -> None:
    given = make_rollout(0)
    for steps, lam in ((1, 0.0), (40, 1.0)):
        ours, _ = NStep(steps=steps)(**given, gamma=0.9)
        theirs, _ = GAE(lam=lam)(**given, gamma=0.9)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def test_refuses_no_step() -> None:
    with pytest.raises(ConfigurationError, match="steps must be at least 1, not 0"):
        advantages.build({"name": "n_step", "steps": 0})
