"""Values learned on a ring of four states: the time limit must not be taken for an end.

Every step is worth 1 and the ring never ends, so V = 1 / (1 - γ) = 50 at γ = 0.98. Episodes are cut
after 8 steps; whoever takes that for the end of the task finds (1 - γ⁸) / (1 - γ) = 7.46 at the
start of an episode.
"""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from genrl.rl.advantages import advantages
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec


class Ring(gymnasium.Env[np.ndarray, int]):
    """Walks around four states, whatever the action; observations are one-hot."""

    observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(**kwargs)
        self.state = 0
        return self.seen(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.state = (self.state + 1) % 4
        return self.seen(), 1.0, False, False, {}

    def seen(self) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[self.state]


def act(obs: torch.Tensor, start: torch.Tensor, memory: torch.Tensor) -> tuple[Any, Any]:
    return torch.zeros(len(obs), dtype=torch.int64), memory


@pytest.mark.parametrize("estimator", ["gae", "n_step", "td_lambda", "v_trace"])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_time_limit_is_no_end(estimator: str, mode: AutoresetMode) -> None:
    envs = SyncVectorEnv([lambda: TimeLimit(Ring(), 8)] * 2, autoreset_mode=mode)
    spec = EnvSpec.of("ring", Ring.observation_space, Ring.action_space, 8)
    collector = Collector(envs, spec)
    table = torch.zeros(4, dtype=torch.float64)
    estimate = advantages.build(estimator)
    for _ in range(150):
        rollout = collector.collect(act, 20)
        steps = rollout.steps
        _, returns = estimate(
            steps.reward.double(),
            table[steps.obs.argmax(-1)],
            table[steps.next_obs.argmax(-1)],
            steps.terminated,
            steps.truncated,
            0.98,
        )
        for state in range(4):
            chosen = rollout.valid & (steps.obs.argmax(-1) == state)
            table[state] = returns[chosen].mean()
    torch.testing.assert_close(table, torch.full_like(table, 50.0), rtol=0, atol=1e-3)
