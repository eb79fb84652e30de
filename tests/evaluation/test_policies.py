"""Evaluation: fixed shares of episodes, in both autoreset modes, with memory, without end."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.evaluation.policies import PolicyScores, evaluate_policy
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

BOTH = pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])


class Lottery(gymnasium.Env[Any, Any]):
    """An episode of 2 or of 60 steps, as likely; the reward of its step k is 0.1 k."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.length, self.step_count = int(self.np_random.choice([2, 60])), 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        self.step_count += 1
        is_over = self.step_count == self.length
        return self._obs(), 0.1 * self.step_count, is_over and self.length == 2, is_over, {}

    def _obs(self) -> Any:
        return np.array([self.step_count, self.length], dtype=np.float32)


class Endless(Lottery):
    def step(self, action: Any) -> Any:
        self.step_count += 1
        return self._obs(), 0.0, False, False, {}


class Counting:
    """Its memory counts the steps of the episode, and must agree with what it sees."""

    def __init__(self) -> None:
        self.draws: list[float] = []
        self.flags: set[bool] = set()

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        assert not torch.is_grad_enabled()
        count = torch.where(start[:, None], 0.0, memory)
        assert (start == (obs[:, 0] == 0)).all()
        alive = obs[:, 0] < obs[:, 1]  # dead transitions of NEXT_STEP show the last observation
        assert (count[:, 0] == obs[:, 0])[alive].all()
        self.draws.append(float(torch.rand((), generator=generator)))
        self.flags.add(deterministic)
        return torch.zeros(len(obs), dtype=torch.int64), count + 1


def spec(max_episode_steps: int | None = 60) -> EnvSpec:
    return EnvSpec("Lottery", 2, 3, True, max_episode_steps=max_episode_steps)


def run(mode: AutoresetMode, episodes: int, count: int, seed: int = 3) -> PolicyScores:
    envs = SyncVectorEnv([Lottery for _ in range(count)], autoreset_mode=mode)
    return evaluate_policy(
        Counting(), envs, spec(), episodes=episodes, seed=seed, memory_size=1, deterministic=True
    )


def lengths_of(seed: int, episodes: int) -> list[int]:
    env = Lottery()
    return [env.reset(seed=seed if k == 0 else None) and env.length for k in range(episodes)]


@BOTH
@pytest.mark.parametrize(("episodes", "count"), [(1, 1), (7, 3), (12, 4), (2, 5)])
def test_each_environment_runs_its_own_share(
    mode: AutoresetMode, episodes: int, count: int
) -> None:
    shares = [episodes // count + (i < episodes % count) for i in range(count)]
    expected = [n for i, share in enumerate(shares) for n in lengths_of(3 + i, share)]
    found = run(mode, episodes, count)
    assert found.lengths.tolist() == expected
    totals = [sum(0.1 * k for k in range(1, n + 1)) for n in expected]
    assert found.returns.tolist() == pytest.approx(totals, rel=1e-13)


def test_short_episodes_are_not_preferred() -> None:
    """Half of all episodes are short; among the first to end nearly all would be."""
    found = run(AutoresetMode.SAME_STEP, 80, 40)
    assert 0.35 < np.mean(found.lengths == 2) < 0.65


def test_same_arguments_same_scores() -> None:
    a, b = (run(AutoresetMode.SAME_STEP, 9, 4) for _ in range(2))
    assert a.lengths.tolist() == b.lengths.tolist()
    other = run(AutoresetMode.SAME_STEP, 9, 4, seed=100)
    assert a.lengths.tolist() != other.lengths.tolist()


def test_the_policy_draws_from_the_seed_alone() -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(len(draws))
        actor = Counting()
        envs = SyncVectorEnv([Lottery], autoreset_mode=AutoresetMode.SAME_STEP)
        state = torch.random.get_rng_state()
        evaluate_policy(actor, envs, spec(), episodes=2, seed=5, memory_size=1, deterministic=False)
        assert (torch.random.get_rng_state() == state).all()
        assert actor.flags == {False}
        draws.append(actor.draws)
    assert draws[0] == draws[1]


def test_against_a_plain_loop() -> None:
    """CartPole with a linear policy, one environment after another."""
    weights = torch.tensor([0.1, 0.5, 1.0, 1.0])

    class Linear(Counting):
        def act(self, obs: Tensor, start: Tensor, memory: Tensor, **_: Any) -> Any:
            return (obs @ weights > 0).long(), memory

    totals = []
    for i in range(3):
        env = gymnasium.make("CartPole-v1")
        obs, _ = env.reset(seed=11 + i)
        for episode in range(2):
            total, is_over = 0.0, False
            while not is_over:
                action = int(torch.from_numpy(obs) @ weights > 0)
                obs, reward, terminated, truncated, _ = env.step(action)
                total, is_over = total + float(reward), terminated or truncated
            totals.append(total)
            obs, _ = env.reset() if episode == 0 else (obs, None)
    envs = gymnasium.make_vec(
        "CartPole-v1",
        num_envs=3,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    cart = EnvSpec("CartPole-v1", 4, 2, True, max_episode_steps=500)
    found = evaluate_policy(Linear(), envs, cart, episodes=6, seed=11)
    assert found.returns.tolist() == totals
    assert found.lengths.tolist() == totals
    assert min(totals) > 30


def test_an_episode_without_end_is_an_error() -> None:
    envs = SyncVectorEnv([Endless], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ConfigurationError, match="not ended after 60 steps: give the environment"):
        evaluate_policy(Counting(), envs, spec(), episodes=1, seed=0, memory_size=1)


def test_no_episode_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="at least 1 episode, not 0"):
        run(AutoresetMode.SAME_STEP, 0, 1)
