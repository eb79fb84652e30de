"""V-trace against its double sum, and exactly unbiased over all trajectories of a small task."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.advantages import NStep, VTrace, advantages

Rollout = dict[str, torch.Tensor]


@pytest.mark.parametrize(("rho_bar", "c_bar", "lam"), [(1, 1, 1), (2, 0.5, 0.9), (9, 9, 0.95)])
def test_equals_the_double_sum(
    rho_bar: float, c_bar: float, lam: float, make_rollout: Callable[..., Rollout]
) -> None:
    given, gamma = make_rollout(5), 0.97
    log_ratio = 0.7 * torch.randn(40, 3, generator=torch.Generator().manual_seed(6)).double()
    r, v, w, terminated, truncated = (field.numpy() for field in given.values())
    ratio = np.exp(log_ratio.numpy())
    rho, c = np.minimum(rho_bar, ratio), lam * np.minimum(c_bar, ratio)
    target = v.copy()
    for env in range(3):
        for t in range(40):
            weight = 1.0
            for k in range(t, 40):
                bootstrap = 0.0 if terminated[k, env] else gamma * w[k, env]
                delta = r[k, env] + bootstrap - v[k, env]
                target[t, env] += weight * rho[k, env] * delta
                weight *= gamma * c[k, env]
                if terminated[k, env] or truncated[k, env]:
                    break
    following = np.concatenate([target[1:], w[-1:]])
    following = np.where(truncated, w, following)
    expected = rho * (r + gamma * np.where(terminated, 0.0, following) - v)
    estimate, returns = VTrace(rho_bar=rho_bar, c_bar=c_bar, lam=lam)(
        **given, gamma=gamma, log_ratio=log_ratio
    )
    np.testing.assert_allclose(returns, target, rtol=0, atol=1e-13)
    np.testing.assert_allclose(estimate, expected, rtol=0, atol=1e-13)


def test_on_policy_it_is_the_return_of_all_steps(make_rollout: Callable[..., Rollout]) -> None:
    given = make_rollout(7)
    _, ours = VTrace()(**given, gamma=0.9)
    _, theirs = NStep(steps=40)(**given, gamma=0.9)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def expected_target(rho_bar: float, c_bar: float, values: list[float]) -> float:
    """E_μ of v_0 over all trajectories of a task of three steps with two actions."""
    learner, actor = [0.9, 0.3, 0.6], [0.4, 0.7, 0.5]
    total = 0.0
    for actions in itertools.product((0, 1), repeat=3):
        weight, log_ratio = 1.0, []
        for a, p, q in zip(actions, learner, actor, strict=True):
            pi, mu = (p, q) if a else (1 - p, 1 - q)
            weight *= mu
            log_ratio.append([math.log(pi / mu)])
        # Rewards that depend on everything done so far, for the state is the history.
        rewards = [[1.0 + sum(actions[: t + 1]) * (t + 2) - 3 * actions[t]] for t in range(3)]
        v = torch.tensor(values, dtype=torch.float64)[:, None]
        no = torch.zeros(3, 1, dtype=torch.bool)
        terminated = no.clone()
        terminated[-1] = True
        _, returns = VTrace(rho_bar=rho_bar, c_bar=c_bar)(
            torch.tensor(rewards, dtype=torch.float64),
            v[:3],
            v[1:],
            terminated,
            no,
            0.9,
            torch.tensor(log_ratio, dtype=torch.float64),
        )
        total += weight * returns[0].item()
    return total


def test_without_bounds_it_evaluates_the_learner_whatever_the_values() -> None:
    learner = [0.9, 0.3, 0.6]
    truth = 0.0
    for actions in itertools.product((0, 1), repeat=3):
        weight = math.prod(p if a else 1 - p for a, p in zip(actions, learner, strict=True))
        truth += weight * sum(
            0.9**t * (1.0 + sum(actions[: t + 1]) * (t + 2) - 3 * actions[t]) for t in range(3)
        )
    for values in ([0.0, 0.0, 0.0, 5.0], [3.0, -1.0, 2.0, 5.0]):
        assert expected_target(math.inf, math.inf, values) == pytest.approx(truth, abs=1e-13)
    # Bounded weights trade that for less variance.
    assert abs(expected_target(1.0, 1.0, [0.0, 0.0, 0.0, 5.0]) - truth) > 0.1


def test_refuses_bounds_in_the_wrong_order() -> None:
    with pytest.raises(ConfigurationError, match="0 < c_bar <= rho_bar must hold"):
        advantages.build({"name": "v_trace", "rho_bar": 0.5})
