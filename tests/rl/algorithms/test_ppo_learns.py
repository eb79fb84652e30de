"""PPO learns small tasks whose answer is known."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.rl.advantages import GAE, AdvantageEstimator
from genrl.rl.agent import Agent
from genrl.rl.algorithms import PPO
from genrl.rl.spec import EnvSpec
from genrl.testing.identity import IdentityBoxEnv, IdentityEnv

MakeAgent = Callable[..., Agent]
Vector = Callable[..., tuple[SyncVectorEnv, EnvSpec]]
RECURRENT = {"name": "recurrent", "memory": 8, "features": ()}


@pytest.mark.parametrize("policy", [None, RECURRENT])
@pytest.mark.parametrize("seed", [0, 1])
def test_learns_the_identity(
    policy: dict[str, Any] | None, seed: int, make_agent: MakeAgent, vector: Vector
) -> None:
    envs, spec = vector(partial(IdentityEnv, 4), 4, length=50)
    config = {"name": "ppo", "num_steps": 50, "batch_size": 50, "learning_rate": 4e-3}
    choices = {} if policy is None else {"policy": policy}
    agent = make_agent(config, envs, spec, gamma=0.4, seed=seed, **choices)
    for _ in range(6):
        agent.iterate()
    assert score(agent, partial(IdentityEnv, 4)) >= 90


def test_learns_the_identity_of_numbers(make_agent: MakeAgent, vector: Vector) -> None:
    envs, spec = vector(IdentityBoxEnv, 4, length=50)
    config = {"name": "ppo", "num_steps": 25, "batch_size": 50, "learning_rate": 1e-2}
    agent = make_agent(config, envs, spec, gamma=0.4)
    for _ in range(20):
        agent.iterate()
    assert score(agent, IdentityBoxEnv) >= 90


def score(agent: Agent, make: Callable[[], gymnasium.Env[Any, Any]]) -> float:
    """What the policy's modes earn in 100 steps."""
    env = make()
    obs, _ = env.reset(seed=12345)
    memory, total = agent.actor.initial_memory(1), 0.0
    for step in range(100):
        action, memory = agent.actor.act(
            torch.from_numpy(obs)[None], torch.tensor([step == 0]), memory, deterministic=True
        )
        obs, reward, *_ = env.step(agent.spec.executable(action)[0])
        total += float(reward)
    return total


class Ends(AdvantageEstimator):
    """A mistake on purpose: what was cut counts as over."""

    def __call__(self, *fields: Any) -> tuple[Tensor, Tensor]:
        rewards, values, next_values, terminated, truncated, gamma = fields
        return GAE(lam=0.0)(rewards, values, next_values, terminated | truncated, truncated, gamma)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("is_wrong", [False, True])
def test_value_of_the_ring(is_wrong: bool, mode: AutoresetMode, make_agent: MakeAgent) -> None:
    makers = [lambda: gymnasium.make("genrl.testing:genrl/Ring-v0")]
    envs = SyncVectorEnv(makers, autoreset_mode=mode)
    spec = EnvSpec.of("ring", envs.single_observation_space, envs.single_action_space, 8)
    config = {
        "name": "ppo",
        "num_steps": 36,
        "batch_size": 36,
        "learning_rate": 0.2,
        "gradient_clip": 0.0,
        "anneal": True,
    }
    linear = {"name": "value", "features": ()}
    agent = make_agent(config, envs, spec, gamma=0.98, critic=linear)
    algorithm = agent.algorithm
    assert isinstance(algorithm, PPO)
    algorithm.advantage = Ends() if is_wrong else GAE(lam=1.0)
    agent.interaction.num_iterations = 100
    for _ in range(100):
        agent.iterate()
    values = algorithm.critic(torch.eye(4)).detach()
    if is_wrong:
        assert float(values.max()) == pytest.approx(7.46, abs=0.3)
    else:
        assert values.tolist() == pytest.approx([50.0] * 4, abs=1.0)
