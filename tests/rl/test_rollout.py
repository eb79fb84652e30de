"""Returns of episodes, wherever rollouts are cut. The rest of the contract: tests/testing."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.rl.rollout import Collector, Episode
from genrl.rl.spec import EnvSpec


class Random(gymnasium.Env[Any, Any]):
    """Random rewards in episodes of random lengths; writes down what it paid."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, book: list[tuple[float, int]]) -> None:
        self.book = book

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.total, self.length = 0.0, 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        reward = float(self.np_random.normal() * 10 ** self.np_random.integers(0, 6))
        self.total += reward
        self.length += 1
        is_over = bool(self.np_random.random() < 0.1)
        if is_over:
            self.book.append((self.total, self.length))
        return np.zeros(1, np.float32), reward, is_over, False, {}


def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros(len(obs), dtype=torch.long), memory


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("cuts", [(200,), (1,) * 200, (7, 90, 103)])
def test_returns_are_running_sums_to_the_last_digit(
    cuts: tuple[int, ...], mode: AutoresetMode
) -> None:
    book: list[tuple[float, int]] = []
    envs = SyncVectorEnv([lambda: Random(book)] * 3, autoreset_mode=mode)
    collector = Collector(envs, EnvSpec.of("r", Random.observation_space, Random.action_space))
    found: list[Episode] = []
    for count in cuts:
        found += collector.collect(act, count).episodes
    assert len(book) > 30
    assert [(episode.total, episode.length) for episode in found] == book
