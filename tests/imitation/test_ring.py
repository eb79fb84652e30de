"""SMILING learns to stay on a ring from five demonstrations of states.

s' = s + 0.2 clip(a, -1, 1) + 0.02 N(0, 1) in the plane, episodes of 50 steps from a random place. A
state's score is exp(-(|s| - 1)² / 0.02): the environment's own reward, which imitation never sees.
"""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.diffusion import CosineSchedule, Denoiser, EpsParameterization
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.demonstrations.recording import record
from genrl.imitation.losses import SMILING, ImitationParts
from genrl.networks import MLP
from genrl.rl.agent import Agent
from genrl.rl.algorithms import Parts, algorithms
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.policies import policies
from genrl.rl.rollout import Act
from genrl.rl.spec import EnvSpec
from genrl.typing import DataSpec

HORIZON = 50
SPEC = EnvSpec("Ring-v0", 2, 2, False, (-1.0, -1.0), (1.0, 1.0), HORIZON)


class Ring(gymnasium.Env[Any, Any]):
    """The point; episodes are cut, never over."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state, self.time = self.np_random.uniform(-1.5, 1.5, 2), 0
        return self.state.astype(np.float32), {}

    def step(self, action: Any) -> Any:
        noise = 0.02 * self.np_random.normal(size=2)
        self.state = self.state + 0.2 * np.clip(action, -1, 1) + noise
        self.time += 1
        score = float(np.exp(-((np.linalg.norm(self.state) - 1) ** 2) / 0.02))
        return self.state.astype(np.float32), score, False, self.time == HORIZON, {}


def vector(num_envs: int = 1) -> SyncVectorEnv:
    """Several of them."""
    return SyncVectorEnv([Ring] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def expert(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Goes to the ring and then around it."""
    radius = obs.norm(dim=1, keepdim=True).clamp_min(1e-3)
    outwards = obs / radius
    around = torch.stack([-outwards[:, 1], outwards[:, 0]], dim=1)
    return (5 * (0.99 - radius) * outwards + 0.6 * around).clamp(-1, 1), memory


def at_random(generator: torch.Generator) -> Act:
    """Actions that know nothing."""

    def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * torch.rand(len(obs), 2, generator=generator) - 1, memory

    return act


def score(act: Act, episodes: int = 20, seed: int = 1000, memory_size: int = 0) -> float:
    """The mean score of the states of some episodes."""
    items = record(act, vector(episodes), SPEC, episodes, seed, memory_size=memory_size)
    return float(torch.cat([item.reward for item in items]).mean())


def demonstrations(episodes: int = 5) -> Demonstrations:
    """What the expert does, without rewards."""
    items = record(expert, vector(episodes), SPEC, episodes, 0)
    blank = [Demonstration(i.obs, i.action, torch.zeros_like(i.reward), False) for i in items]
    return Demonstrations(blank, "the ring's expert")


def make_denoiser(spec: DataSpec) -> Denoiser:
    network = MLP(spec, features=64, num_layers=1)
    return Denoiser(network, CosineSchedule(), EpsParameterization())


def agent_of(seed: int, num_iterations: int) -> Agent:
    """SAC under SMILING's reward; one update for two steps."""
    torch.manual_seed(seed)
    parts = ImitationParts(SPEC, demonstrations(), make_denoiser)
    reward = SMILING(parts, inputs="state", updates_per_step=0.6)
    reward.fit(torch.Generator().manual_seed(seed))
    layers = {"features": [64, 64], "activation": "relu"}
    policy = policies.build({"name": "tanh_gaussian", **layers}, SPEC)
    critic = critics.build({"name": "twin_q", **layers}, SPEC, SPEC.obs_size)
    buffer = buffers.build({"name": "replay", "capacity": 20_000})
    config = {
        "name": "sac",
        "batch_size": 128,
        "learning_starts": 500,
        "train_every": 2,
        "updates_per_step": 0.5,
        "iteration_steps": 500,
        "learning_rate": 1e-3,
        "temperature_rate": 1e-3,
        "temperature": 0.1,
    }
    algorithm = algorithms.build(config, Parts(SPEC, policy, critic, None, buffer, gamma=0.95))
    return Agent(algorithm, vector(), SPEC, num_iterations=num_iterations, reward=reward, seed=seed)


def deterministic(agent: Agent) -> Act:
    def act(obs: Tensor, start: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return agent.actor.act(obs, start, memory, deterministic=True)

    return act


def test_the_expert_stays_on_the_ring_and_chance_does_not() -> None:
    assert score(expert) > 0.93
    assert score(at_random(torch.Generator().manual_seed(0))) < 0.25
    assert len(demonstrations().transitions()) == 250


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smiling_learns_to_stay_on_the_ring(seed: int) -> None:
    agent = agent_of(seed, 20)
    scores = []
    for _ in range(20):
        agent.iterate()
        scores.append(score(deterministic(agent)))
    assert agent.env_steps == 10_000
    assert np.mean(scores[-3:]) >= 0.65
