"""DAgger: which states are labelled, with what, by whom they are visited, and what is kept."""

import io
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.imitation.cloning import Cloning
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import DAgger, ImitationParts, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import Parts
from genrl.rl.policies import policies
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Walk-v0", 2, 1, low=(-5.0,), high=(5.0,))


class Walk(gymnasium.Env[Any, Any]):
    """The position moves by the action; the second number counts steps; episodes of 7."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-5.0, 5.0, (1,), np.float32)

    def __init__(self, log: list[tuple[float, float]]) -> None:
        self.log = log

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.position, self.time = float(self.np_random.normal()), 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.log.append((float(self._obs()[0]), float(action[0])))
        self.position += float(action[0])
        self.time += 1
        return self._obs(), 1.0, False, self.time == 7, {}

    def _obs(self) -> Any:
        return np.array([self.position, self.time], dtype=np.float32)


def expert(obs: Tensor) -> Tensor:
    return -0.5 * obs[:, :1]


def demonstrations() -> Demonstrations:
    obs = torch.full((6, 2), 77.0)
    items = [Demonstration(obs, torch.full((5, 1), 2.0), torch.zeros(5), True) for _ in range(2)]
    return Demonstrations(items, "a test")


def agent_of(
    given: Demonstrations | None, mode: AutoresetMode = AutoresetMode.SAME_STEP, **parameters: Any
) -> tuple[Agent, DAgger, list[tuple[float, float]]]:
    log: list[tuple[float, float]] = []
    torch.manual_seed(0)
    loss = DAgger(ImitationParts(SPEC, given, expert=expert), **{"steps": 10, **parameters})
    policy = policies.build({"name": "gaussian", "features": [8]}, SPEC)
    cloning = Cloning(Parts(SPEC, policy), loss, updates_per_iteration=3, batch_size=16)
    envs = SyncVectorEnv([lambda: Walk(log)] * 2, autoreset_mode=mode)
    return Agent(cloning, envs, SPEC, num_iterations=6), loss, log


def rows(loss: DAgger) -> set[tuple[float, float]]:
    obs = torch.cat([item.obs[:-1] for item in loss.gathered])
    action = torch.cat([item.action for item in loss.gathered])
    return set(zip(obs[:, 0].tolist(), action[:, 0].tolist(), strict=True))


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_visited_states_of_all_rounds_are_labelled_by_the_expert(mode: AutoresetMode) -> None:
    agent, loss, log = agent_of(None, mode, expert_rounds=1)
    for _ in range(4):
        agent.iterate()
    visited = {position for position, _ in log}
    gathered = rows(loss)
    assert {position for position, _ in gathered} == visited
    assert sum(len(item) for item in loss.gathered) == len(log) == agent.env_steps
    for position, action in gathered:
        assert action == pytest.approx(np.clip(-0.5 * position, -5, 5), abs=1e-6)
    for item in loss.gathered:  # episodes hang together
        assert torch.equal(item.obs[1:, 1], item.obs[:-1, 1] + 1)
        assert len(item) <= 7


def test_demonstrations_are_imitated_too() -> None:
    agent, loss, _ = agent_of(demonstrations())
    metrics = agent.iterate()
    gathered = sum(len(item) for item in loss.gathered)
    assert metrics["windows"] == 5 + gathered  # one of two demonstrations is held out
    assert agent.iterate()["windows"] == 5 + 2 * gathered
    assert "held_out_loss" in metrics


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"schedule": "linear", "expert_rounds": 4}, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]),
        ({"schedule": "exponential", "decay": 0.5}, [1.0, 0.5, 0.25, 0.125, 0.0625]),
        ({"schedule": "exponential", "decay": 0.0}, [1.0, 0.0, 0.0]),
    ],
)
def test_beta(parameters: dict[str, Any], expected: list[float]) -> None:
    _, loss, _ = agent_of(None, **parameters)
    assert [loss.beta(k) for k in range(len(expected))] == expected


def test_a_mixture_acts() -> None:
    agent, _, log = agent_of(None, steps=200, schedule="exponential", decay=0.3)
    for expected in (1.0, 0.3, 0.09):
        log.clear()
        agent.iterate()
        by_expert = [abs(action + 0.5 * position) < 1e-5 for position, action in log]
        # 400 draws: four standard deviations are at most 0.1.
        assert np.mean(by_expert) == pytest.approx(expected, abs=0.1 if expected < 1 else 0)


def test_it_learns_to_act_where_the_demonstrations_never_went() -> None:
    agent, _, _ = agent_of(None, steps=100)
    algorithm = agent.algorithm
    assert isinstance(algorithm, Cloning)
    algorithm.updates_per_iteration, algorithm.learning_rate = 150, 1e-2
    for _ in range(6):
        agent.iterate()
    obs = torch.stack([torch.linspace(-1, 1, 9), torch.full((9,), 3.0)], dim=1)
    action, _ = agent.actor.act(
        obs, torch.ones(9, dtype=torch.bool), torch.zeros(9, 0), deterministic=True
    )
    torch.testing.assert_close(action, expert(obs), rtol=0, atol=0.1)


def test_rounds_survive_a_restart() -> None:
    agent, loss, _ = agent_of(demonstrations())
    for _ in range(2):
        agent.iterate()
    stored = io.BytesIO()
    torch.save(agent.algorithm.training_state(), stored)
    stored.seek(0)
    other, other_loss, _ = agent_of(demonstrations())
    other.algorithm.load_training_state(torch.load(stored, weights_only=True))
    assert rows(other_loss) == rows(loss)
    assert [item.terminated for item in other_loss.gathered] == [
        item.terminated for item in loss.gathered
    ]


def test_without_an_expert() -> None:
    with pytest.raises(ConfigurationError, match="expert="):
        DAgger(ImitationParts(SPEC, demonstrations()))
    parts = ImitationParts(SPEC, None, expert=expert)
    with pytest.raises(ConfigurationError, match="decay"):
        imitation_losses.build({"name": "dagger", "decay": 2.0}, parts)
