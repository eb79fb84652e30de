"""An agent: goes on bit for bit from its state, and acts as it was trained."""

import copy
from typing import Any

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor, nn

from genrl.envs import capture, restore
from genrl.rl.advantages import GAE
from genrl.rl.agent import Actor, Agent
from genrl.rl.algorithms import Parts, algorithms
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.normalization import ObservationNormalizer
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward, RewardSource
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

SMALL: dict[str, Any] = {"features": (16,)}
PPO = {"name": "ppo", "num_steps": 40, "batch_size": 20, "epochs": 2, "learning_rate": 1e-2}
SAC = {
    "name": "sac",
    "batch_size": 16,
    "learning_starts": 50,
    "iteration_steps": 40,
    "updates_per_step": 0.25,
    "sequence_length": 4,
}
TD3 = {**SAC, "name": "td3"}
RECURRENT = {"name": "recurrent", "memory": 8}


def pendulum(
    config: dict[str, Any],
    policy: dict[str, Any] | None = None,
    seed: int = 0,
    reward: RewardSource | None = None,
    normalize: bool = True,
) -> Agent:
    """Learns in two pendulums, whose episodes end within iterations."""
    makers = [lambda: gymnasium.make("Pendulum-v1", max_episode_steps=33)] * 2
    envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
    spec = EnvSpec.of("pendulum", envs.single_observation_space, envs.single_action_space, 33)
    torch.manual_seed(seed)
    kind = algorithms.get(config["name"])
    chosen = kind.defaults(spec)
    made = policies.build({**chosen["policy"], **(policy or SMALL)}, spec)
    critic = critics.build({**chosen["critic"], **SMALL}, spec, made.num_features)
    parts = Parts(spec, made, critic, GAE(), buffers.build({"name": "replay", "capacity": 150}))
    return Agent(
        algorithms.build(config, parts),
        envs,
        spec,
        num_iterations=6,
        seed=seed,
        reward=reward,
        normalize_observations=normalize,
        normalize_rewards=normalize,
    )


def recurrent(config: dict[str, Any]) -> dict[str, Any]:
    """A policy with a memory that the algorithm can improve."""
    return {**RECURRENT, "head": "gaussian" if config is PPO else "tanh_gaussian"}


def assert_same(mine: Any, other: Any, where: str = "") -> None:
    """Bit for bit."""
    assert type(mine) is type(other), where
    if isinstance(mine, dict):
        assert mine.keys() == other.keys(), where
        for key in mine:
            assert_same(mine[key], other[key], f"{where}.{key}")
    elif isinstance(mine, list | tuple):
        assert len(mine) == len(other), where
        for index, pair in enumerate(zip(mine, other, strict=True)):
            assert_same(*pair, f"{where}[{index}]")
    elif isinstance(mine, Tensor):
        assert torch.equal(mine, other), where
    else:
        assert mine == other, where


@pytest.mark.parametrize("has_memory", [False, True])
@pytest.mark.parametrize("config", [PPO, SAC, TD3], ids=["ppo", "sac", "td3"])
def test_goes_on_bit_for_bit(config: dict[str, Any], has_memory: bool) -> None:
    policy = recurrent(config) if has_memory else None
    whole = pendulum(config, policy)
    for _ in range(3):
        whole.iterate()
    state = copy.deepcopy((whole.state_dict(), capture(whole.envs)))
    expected = [whole.iterate() for _ in range(3)]
    assert whole.gradient_steps > 20

    resumed = pendulum(config, policy)
    with torch.no_grad():
        for parameter in resumed.algorithm.parameters():
            parameter.add_(1.0)
    resumed.iterate()  # whatever happened here is forgotten
    resumed.load_state_dict(state[0])
    assert state[1] is not None
    restore(resumed.envs, state[1])
    torch.manual_seed(999)  # the global generator plays no part
    assert [resumed.iterate() for _ in range(3)] == expected
    assert_same(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("config", [PPO, SAC], ids=["ppo", "sac"])
def test_a_run_is_a_function_of_its_seed(config: dict[str, Any]) -> None:
    results = []
    for seed in (1, 1, 2):
        agent = pendulum(config, seed=seed)
        torch.manual_seed(len(results))
        results.append([agent.iterate() for _ in range(3)])
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_the_actor_takes_its_statistics_along() -> None:
    agent = pendulum(PPO)
    for _ in range(2):
        agent.iterate()
    fresh = Actor(
        policies.build({"name": "gaussian", **SMALL}, agent.spec),
        ObservationNormalizer(3, is_active=True),
    )
    fresh.load_state_dict(agent.actor.state_dict())
    obs = 5 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    start, memory = torch.zeros(6, dtype=torch.bool), torch.zeros(6, 0)
    ours, _ = agent.actor.act(obs, start, memory, deterministic=True)
    theirs, _ = fresh.act(obs, start, memory, deterministic=True)
    assert torch.equal(ours, theirs)
    moments = agent.interaction.normalizer.moments
    scaled = ((obs - moments.mean) / moments.std).float().clamp(-10, 10)
    by_hand = agent.algorithm.policy(scaled).mode
    torch.testing.assert_close(ours, by_hand)
    assert not torch.allclose(ours, agent.algorithm.policy(obs).mode, atol=1e-4)
    assert not ours.requires_grad


class Attractive(EnvironmentReward):
    """A reward with weights that could be pulled up instead of being earned."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.ones(3))

    def reward(self, steps: Transitions) -> Tensor:
        return steps.obs @ self.weight


@pytest.mark.parametrize("config", [PPO, SAC, TD3], ids=["ppo", "sac", "td3"])
def test_a_learned_reward_gets_no_gradient(config: dict[str, Any]) -> None:
    source = Attractive()
    agent = pendulum(config, reward=source, normalize=False)
    for _ in range(2):
        agent.iterate()
    assert agent.gradient_steps > 0
    assert source.weight.grad is None


def test_new_episodes_have_seeds_of_their_own() -> None:
    agent = pendulum(PPO)
    first = agent.interaction.collector.obs.clone()
    agent.iterate()
    agent.restart_episodes()
    collector = agent.interaction.collector
    assert not torch.equal(collector.obs, first)
    assert collector.start.all()
    assert not collector.lengths.any()
    obs = collector.obs.clone()
    agent.restart_episodes()
    assert torch.equal(collector.obs, obs)
    agent.iterate()
    agent.restart_episodes()
    assert not torch.equal(collector.obs, obs)
