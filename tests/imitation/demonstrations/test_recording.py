"""Recording: seeds, whole episodes, executed actions, in both of gymnasium's autoreset modes."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.imitation.demonstrations import record
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Line-v0", 3, 1, False, (-1.0,), (1.0,), 200)


class Line(gymnasium.Env[Any, Any]):
    """(seed, step, sum of actions); ends after 3 + 30 (seed mod 7) steps, by itself if odd."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.seed = -1 if seed is None else seed
        self.state = np.array([self.seed, 0, 0], np.float32)
        return self.state.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.state = self.state + np.array([0, 1, action[0]], np.float32)
        is_over = bool(self.state[1] == 3 + 30 * (self.seed % 7))
        is_odd = self.seed % 2 == 1
        return (
            self.state.copy(),
            float(self.state[1]),
            is_over and is_odd,
            is_over and not is_odd,
            {},
        )


def vector(count: int, mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([Line] * count, autoreset_mode=mode)


def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Out of bounds at every other step."""
    return 0.5 + obs[:, 1:2] % 2, memory


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_episodes_are_whole_and_in_the_order_of_seeds(count: int, mode: AutoresetMode) -> None:
    """Long and short ones alike, however many environments there are."""
    episodes = record(act, vector(count, mode), SPEC, 5, seed=10)
    assert [int(episode.obs[0, 0]) for episode in episodes] == [10, 11, 12, 13, 14]
    assert [len(episode) for episode in episodes] == [93, 123, 153, 183, 3]
    assert [episode.terminated for episode in episodes] == [False, True, False, True, False]
    for number, episode in enumerate(episodes):
        length = len(episode)
        assert episode.obs.shape == (length + 1, 3)
        assert episode.obs[:, 0].tolist() == [10 + number] * (length + 1)
        assert episode.obs[:, 1].tolist() == list(range(length + 1))
        assert episode.reward.tolist() == list(range(1, length + 1))
        executed = [0.5 if t % 2 == 0 else 1.0 for t in range(length)]
        assert episode.action[:, 0].tolist() == executed
        torch.testing.assert_close(episode.obs[-1, 2], torch.tensor(sum(executed)))


def test_memory_begins_anew() -> None:
    """A counter as memory: the action tells its value, and the start of an episode clears it."""
    seen: list[float] = []

    def remember(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        memory = torch.where(start[:, None], torch.zeros_like(memory), memory) + 1
        seen.append(float(memory[0, 0]))
        return memory / 1000, memory

    episodes = record(remember, vector(2, AutoresetMode.SAME_STEP), SPEC, 4, seed=12, memory_size=1)
    for episode in episodes:
        expected = torch.arange(1, len(episode) + 1) / 1000
        torch.testing.assert_close(episode.action[:, 0], expected)


def test_progress_is_told() -> None:
    told: list[int] = []
    record(act, vector(2, AutoresetMode.SAME_STEP), SPEC, 5, seed=14, on_episodes=told.append)
    assert told == [2, 4, 5]


def test_impossible_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="at least 1, not 0"):
        record(act, vector(1, AutoresetMode.SAME_STEP), SPEC, 0, seed=0)
    monkeypatch.setattr("genrl.imitation.demonstrations.recording.LONGEST", 10)
    unlimited = EnvSpec("Line-v0", 3, 1, False, (-1.0,), (1.0,), None)
    with pytest.raises(ConfigurationError, match=r"does not end.*set env\.max_episode_steps"):
        record(act, vector(1, AutoresetMode.SAME_STEP), unlimited, 1, seed=13)


def test_what_a_real_environment_gives() -> None:
    """Replayed by hand, step by step, from the same seed."""
    spec = EnvSpec("Pendulum-v1", 3, 1, False, (-2.0,), (2.0,), 200)
    envs = gymnasium.make_vec(
        "Pendulum-v1", 2, vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )

    def swing(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return 3 * obs[:, 2:].sign(), memory

    episodes = record(swing, envs, spec, 3, seed=5)
    env = gymnasium.make("Pendulum-v1")
    for number, episode in enumerate(episodes):
        obs, _ = env.reset(seed=5 + number)
        for t in range(200):
            np.testing.assert_array_equal(episode.obs[t], obs)
            obs, reward, *_ = env.step(episode.action[t].numpy())
            assert float(episode.reward[t]) == pytest.approx(reward, rel=1e-6)
        np.testing.assert_array_equal(episode.obs[200], obs)
        assert not episode.terminated
