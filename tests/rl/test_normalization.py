"""Running statistics against numpy and stable-baselines3, whatever the batches."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import Tensor

from genrl.rl.normalization import ObservationNormalizer, RewardScaler, RunningMoments
from genrl.rl.transitions import simple_transitions

GAMMA = 0.9


def drawn(*shape: int, offset: float = 0.0) -> Tensor:
    """Normal numbers in double precision."""
    generator = torch.Generator().manual_seed(0)
    return offset + torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("sizes", [[100], [1] * 100, [50, 0, 1, 49], [99, 1], [1, 99]])
def test_moments_are_those_of_all_batches_together(sizes: list[int], offset: float) -> None:
    values = drawn(100, 3, offset=offset)
    moments = RunningMoments((3,))
    for part in values.split(sizes):
        moments.update(part)
    assert float(moments.count) == 100
    np.testing.assert_allclose(moments.mean, values.numpy().mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.std, values.numpy().std(0), rtol=1e-9)


def test_the_order_of_batches_does_not_matter() -> None:
    parts = drawn(60, 2).split([5, 20, 1, 34])
    results = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        moments = RunningMoments((2,))
        for index in order:
            moments.update(parts[index])
        results.append(torch.stack([moments.mean, moments.std]))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-13, atol=1e-14)


def test_std_is_one_where_nothing_is_known() -> None:
    moments = RunningMoments((2,))
    assert moments.std.tolist() == [1.0, 1.0]
    moments.update(torch.tensor([[3.0, 4.0]]))
    assert moments.std.tolist() == [1.0, 1.0]
    moments.update(torch.tensor([[3.0, 6.0]]))
    assert moments.std.tolist() == [1.0, 1.0]
    moments.update(torch.tensor([[3.0, 11.0]]))
    assert moments.std.tolist() == pytest.approx([1.0, np.std([4, 6, 11])])


def test_observations_are_standardized_and_limited() -> None:
    normalizer = ObservationNormalizer(2, is_active=True, limit=2.0)
    seen = torch.randn(50, 4, 2, generator=torch.Generator().manual_seed(0)) * 3 + 5
    normalizer.update(seen)
    flat = seen.reshape(-1, 2).numpy()
    expected = np.clip((flat - flat.mean(0)) / flat.std(0), -2, 2)
    np.testing.assert_allclose(normalizer(seen).reshape(-1, 2), expected, atol=1e-5)
    assert float(normalizer(seen).abs().max()) == 2.0
    steps = simple_transitions(seen[0], seen[0], seen[1], reward=torch.arange(4.0))
    scaled = normalizer.steps(steps)
    assert torch.equal(scaled.obs, normalizer(seen[0]))
    assert torch.equal(scaled.next_obs, normalizer(seen[1]))
    assert torch.equal(scaled.action, steps.action)
    assert torch.equal(scaled.reward, steps.reward)


def test_one_that_is_switched_off_does_nothing() -> None:
    normalizer, obs = ObservationNormalizer(2, is_active=False), torch.full((3, 2), 99.0)
    normalizer.update(obs)
    assert normalizer(obs) is obs
    assert float(normalizer.moments.count) == 0
    scaler = RewardScaler(2, GAMMA, is_active=False)
    scaler.update(obs, obs > 0)
    assert scaler(obs) is obs


class Replayed(gymnasium.Env[Any, Any]):
    """Pays given rewards and ends where it is told to."""

    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, rewards: Any, done: Any) -> None:
        self.rewards, self.done, self.time = rewards, done, 0

    def reset(self, **kwargs: Any) -> Any:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        row = self.time - 1
        return np.zeros(1, np.float32), self.rewards[row], bool(self.done[row]), False, {}


def test_rewards_are_scaled_as_stable_baselines3_scales_them() -> None:
    rng = np.random.default_rng(0)
    rewards, done = rng.normal(2, 3, (200, 3)), rng.random((200, 3)) < 0.1
    makers = [lambda i=i: Replayed(rewards[:, i], done[:, i]) for i in range(3)]
    theirs = VecNormalize(DummyVecEnv(makers), norm_obs=False, gamma=GAMMA, clip_reward=10.0)
    theirs.ret_rms.count = 0.0  # they begin with 1e-4 of a made-up return
    theirs.reset()
    ours = RewardScaler(3, GAMMA, is_active=True)
    reward = torch.from_numpy(rewards)
    for time in range(200):
        _, scaled, _, _ = theirs.step(np.zeros(3, dtype=np.int64))
        ours.update(reward[time : time + 1], torch.from_numpy(done[time : time + 1]))
        np.testing.assert_allclose(ours(reward[time]), scaled, rtol=1e-6)
    at_once = RewardScaler(3, GAMMA, is_active=True)
    at_once.update(reward, torch.from_numpy(done))
    torch.testing.assert_close(at_once.moments.std, ours.moments.std, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(at_once.returns, ours.returns, rtol=1e-12, atol=0.0)


def test_scaled_rewards_are_limited_and_not_centred() -> None:
    scaler = RewardScaler(1, 0.0, is_active=True)
    scaler.update(torch.tensor([[4.0], [6.0]]), torch.zeros(2, 1, dtype=torch.bool))
    assert scaler(torch.tensor([5.0, -1.0, 30.0, -30.0])).tolist() == [5.0, -1.0, 10.0, -10.0]


def test_dead_transitions_do_not_count() -> None:
    rewards, done = drawn(40, 2), drawn(40, 2) > 0.8
    valid = ~torch.cat([torch.zeros(1, 2, dtype=torch.bool), done[:-1]])
    poisoned = torch.where(valid, rewards, 1e3)
    whole = RewardScaler(2, GAMMA, is_active=True)
    whole.update(poisoned, done & valid, valid)
    returns = []
    for env in range(2):
        running = 0.0
        for row in range(40):
            if valid[row, env]:
                running = GAMMA * running + float(rewards[row, env])
                returns.append(running)
                if done[row, env]:
                    running = 0.0
        assert float(whole.returns[env]) == pytest.approx(running)
    assert float(whole.moments.std) == pytest.approx(np.std(returns), rel=1e-12)
    assert float(whole.moments.count) == int(valid.sum())
