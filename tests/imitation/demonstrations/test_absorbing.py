"""Padded demonstrations are what the environment wrapper shows of the same episode."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from genrl.envs import AbsorbingStates
from genrl.imitation.demonstrations import (
    Demonstration,
    Demonstrations,
    with_absorbing_states,
    without_idle_actions,
)
from genrl.imitation.demonstrations.absorbing import pad


def episode(env: gymnasium.Env[Any, Any]) -> Demonstration:
    """Always the action 1, from seed 0, until the end."""
    obs, _ = env.reset(seed=0)
    seen, rewards, terminated, truncated = [obs], [], False, False
    while not (terminated or truncated):
        obs, reward, terminated, truncated, _ = env.step(1)
        seen.append(obs)
        rewards.append(float(reward))
    return Demonstration(
        torch.from_numpy(np.stack(seen)),
        torch.ones(len(rewards), dtype=torch.int64),
        torch.tensor(rewards),
        terminated,
    )


@pytest.mark.parametrize("limit", [5, 200])
def test_padding_equals_the_wrapper(limit: int) -> None:
    plain = episode(gymnasium.make("CartPole-v1", max_episode_steps=limit))
    assert plain.terminated is (limit == 200)
    wrapped = episode(AbsorbingStates(gymnasium.make("CartPole-v1", max_episode_steps=limit)))
    padded = pad(plain)
    assert torch.equal(padded.obs, wrapped.obs)
    assert torch.equal(padded.reward, wrapped.reward)
    assert padded.terminated is wrapped.terminated is False
    assert len(padded.action) == len(padded) == len(plain) + plain.terminated
    assert torch.equal(padded.action[: len(plain)], plain.action)


def test_transitions_bootstrap_through_the_loop() -> None:
    plain = episode(gymnasium.make("CartPole-v1"))
    steps = with_absorbing_states(Demonstrations([plain, plain], "here")).transitions()
    assert not bool(steps.terminated.any())
    assert int(steps.truncated.sum()) == 2
    loop = steps[torch.nonzero(steps.truncated)[0]]
    assert torch.equal(loop.obs, loop.next_obs)
    assert loop.obs.tolist() == [[0.0] * 4 + [1.0]]


def test_idle_actions_are_hidden() -> None:
    obs = torch.tensor([[0.3, 0.0], [0.0, 1.0], [0.0, 0.0]])
    action = torch.tensor([[1.0, -1.0], [0.5, 2.0], [0.25, 0.0]])
    expected = torch.tensor([[1.0, -1.0], [0.0, 0.0], [0.25, 0.0]])
    assert torch.equal(without_idle_actions(obs, action), expected)
