"""Absorbing states: what the learner sees, and what it learns from it."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from genrl.envs import AbsorbingStates
from genrl.registry import ConfigurationError
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec
from genrl.testing import CountingEnv

ABSORBING = [0.0, 0.0, 1.0]


def play(env: gymnasium.Env[Any, Any], num_steps: int) -> list[tuple[Any, ...]]:
    env.reset(seed=0)
    return [env.step(np.int64(1)) for _ in range(num_steps)]


def test_a_termination_leads_to_the_absorbing_state_and_its_loop() -> None:
    steps = play(AbsorbingStates(CountingEnv(3, is_terminated=True)), 4)
    assert [step[0][0] for step in steps[:2]] == [1.0, 2.0]
    assert [step[0][2] for step in steps[:2]] == [0.0, 0.0]
    assert [step[0].tolist() for step in steps[2:]] == [ABSORBING, ABSORBING]
    assert [step[1] for step in steps] == [1.0, 1.0, 1.0, 0.0]
    assert not any(step[2] for step in steps)
    assert [step[3] for step in steps] == [False, False, False, True]


def test_a_time_limit_adds_nothing() -> None:
    steps = play(AbsorbingStates(CountingEnv(3, is_terminated=False)), 3)
    assert steps[-1][0].tolist()[::2] == [3.0, 0.0]
    assert steps[-1][2:4] == (False, True)


def test_a_termination_in_the_last_permitted_step_is_a_termination() -> None:
    steps = play(AbsorbingStates(TimeLimit(CountingEnv(3, is_terminated=True), 3)), 4)
    assert [step[0].tolist() for step in steps[2:]] == [ABSORBING, ABSORBING]
    assert [step[3] for step in steps] == [False, False, False, True]


def test_an_episode_after_the_absorbing_state_is_an_ordinary_one() -> None:
    env = AbsorbingStates(CountingEnv(1, is_terminated=True))
    play(env, 2)
    obs, _ = env.reset()
    assert obs[0] == 100.0
    assert obs[2] == 0.0
    assert env.step(np.int64(0))[0].tolist() == ABSORBING


def test_only_vectors() -> None:
    with pytest.raises(ConfigurationError, match=r"env\.flatten=true"):
        AbsorbingStates(gymnasium.make("FrozenLake-v1"))


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("reward", [1.0, -1.0])
def test_the_value_of_the_absorbing_state_is_learned_from_its_loop(
    mode: AutoresetMode, reward: float
) -> None:
    # A reward of one sign everywhere: without absorbing states an end would be worth 0.
    envs = SyncVectorEnv(
        [lambda: AbsorbingStates(CountingEnv(3, is_terminated=True))], autoreset_mode=mode
    )
    spec = EnvSpec.of("counting", envs.single_observation_space, envs.single_action_space)
    rollout = Collector(envs, spec).collect(
        lambda obs, start, memory: (torch.zeros(len(obs), dtype=torch.long), memory), 60
    )
    steps, gamma = rollout.flat(), 0.9
    cells = [(obs[:, 0] % 100 + 100 * obs[:, 2]).long() for obs in (steps.obs, steps.next_obs)]
    assert set(cells[0].tolist()) == {0, 1, 2, 100}
    values = torch.zeros(101, dtype=torch.float64)
    for _ in range(400):
        target = reward + gamma * values[cells[1]] * ~steps.terminated
        for cell in (0, 1, 2, 100):
            values[cell] = target[cells[0] == cell].mean()
    assert values[[0, 1, 2, 100]].tolist() == pytest.approx([reward / (1 - gamma)] * 4, rel=1e-9)
