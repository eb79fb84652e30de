"""GAE against the double sum that defines it, and against stable-baselines3."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE, advantages

Rollout = dict[str, torch.Tensor]


def double_sum(rollout: Rollout, gamma: float, lam: float) -> np.ndarray:
    """Σ_k (γλ)ᵏ δ_{t+k} term by term, up to the first end of an episode."""
    r, v, w, terminated, truncated = (field.numpy() for field in rollout.values())
    time, envs = r.shape
    result = np.zeros((time, envs))
    for env in range(envs):
        for t in range(time):
            for k in range(t, time):
                bootstrap = 0.0 if terminated[k, env] else gamma * w[k, env]
                delta = r[k, env] + bootstrap - v[k, env]
                result[t, env] += (gamma * lam) ** (k - t) * delta
                if terminated[k, env] or truncated[k, env]:
                    break
    return result


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_equals_the_double_sum(seed: int, lam: float, make_rollout: Callable[..., Rollout]) -> None:
    rollout = make_rollout(seed, time=50, envs=4)
    estimate, returns = GAE(lam=lam)(**rollout, gamma=0.98)
    np.testing.assert_allclose(estimate.numpy(), double_sum(rollout, 0.98, lam), rtol=0, atol=1e-14)
    np.testing.assert_allclose(returns, estimate + rollout["values"], rtol=0, atol=0)


def test_truncation_bootstraps_and_termination_does_not() -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    yes, no = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)
    estimator = GAE()
    assert estimator(one, 2 * one, 7 * one, yes, no, 0.9)[1].item() == 1.0
    assert estimator(one, 2 * one, 7 * one, no, yes, 0.9)[1].item() == pytest.approx(7.3)
    assert estimator(one, 2 * one, 7 * one, yes, yes, 0.9)[1].item() == 1.0


def test_extremes_of_lambda(make_rollout: Callable[..., Rollout]) -> None:
    rollout = make_rollout(3, time=20, envs=2, ends=0.0)
    td, _ = GAE(lam=0.0)(**rollout, gamma=0.9)
    r, v, w = rollout["rewards"], rollout["values"], rollout["next_values"]
    torch.testing.assert_close(td, r + 0.9 * w - v)
    _, monte_carlo = GAE(lam=1.0)(**rollout, gamma=0.9)
    power = 0.9 ** torch.arange(20, dtype=torch.float64)[:, None]
    torch.testing.assert_close(monte_carlo[0], (power * r).sum(0) + 0.9**20 * w[-1])


def test_equals_stable_baselines(make_rollout: Callable[..., Rollout]) -> None:
    time, envs, gamma, lam = 256, 8, 0.99, 0.95
    rollout = make_rollout(0, time, envs, ends=0.02)
    # That buffer knows no truncation: its caller adds γ V(s') to the reward there.
    done = rollout["terminated"] | rollout["truncated"]
    is_cut = rollout["truncated"] & ~rollout["terminated"]
    theirs = RolloutBuffer(
        time, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), "cpu", lam, gamma, envs
    )
    theirs.values[:] = rollout["values"].numpy()
    added = gamma * rollout["next_values"] * is_cut
    theirs.rewards[:] = (rollout["rewards"] + added).numpy()
    theirs.episode_starts[1:] = done[:-1].numpy()
    theirs.compute_returns_and_advantage(rollout["next_values"][-1].float(), done[-1].numpy())
    single = {k: f if f.dtype == torch.bool else f.float() for k, f in rollout.items()}
    estimate, returns = GAE(lam=lam)(**single, gamma=gamma)
    assert estimate.dtype == torch.float32
    np.testing.assert_allclose(estimate, theirs.advantages, rtol=0, atol=1e-5)
    np.testing.assert_allclose(returns, theirs.returns, rtol=0, atol=1e-5)


def test_refuses_lambda_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match=r"lam must lie between 0 and 1, not 1\.5"):
        advantages.build({"name": "gae", "lam": 1.5})
