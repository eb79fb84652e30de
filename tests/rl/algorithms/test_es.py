"""Evolution Strategies: signs, ranks, common random numbers, learned rewards, and CartPole."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import VectorEnv

from genrl.envs.gymnasium import Gymnasium
from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import ES, Parts, algorithms
from genrl.rl.algorithms.natural_gradient import flat_values
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

MakeAgent = Callable[..., Agent]
MakeEnvs = Callable[..., tuple[VectorEnv, EnvSpec]]
SPEC = EnvSpec("test", 3, 1, False, (-1.0,), (1.0,))


def linear_es(**settings: Any) -> ES:
    """Four weights: three of a linear map and its bias."""
    torch.manual_seed(0)
    policy = policies.build({"name": "deterministic", "features": []}, SPEC)
    return ES(Parts(SPEC, policy), **settings)


def test_step_ranks_all_returns_together() -> None:
    es = linear_es(sigma=0.5, weight_decay=0.0)
    noise = torch.eye(4)[:2]
    # Joint ranks 1/6, -1/2 and -1/6, 1/2; within each pair they would be -+1/2.
    gradient = es.step(noise, torch.tensor([[30.0, 10.0], [20.0, 40.0]]))
    expected = torch.tensor([2 / 3, -2 / 3, 0.0, 0.0]) / (2 * 0.5 * 2)
    torch.testing.assert_close(gradient, expected)


def test_step_ascends_and_decays() -> None:
    es = linear_es(sigma=0.5, weight_decay=0.2, learning_rate=0.01)
    before = flat_values(es.weights)
    noise = torch.tensor([[1.0, -1.0, 0.0, 0.0]])
    gradient = es.step(noise, torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(gradient, noise[0])
    ascent = gradient - 0.2 * before
    torch.testing.assert_close(torch.cat([w.grad.flatten() for w in es.weights]), -ascent)
    moved = (flat_values(es.weights) - before)[:2]
    torch.testing.assert_close(moved, torch.tensor([0.01, -0.01]), rtol=1e-4, atol=0)


def test_climbs_a_quadratic() -> None:
    es = linear_es(sigma=0.1, learning_rate=0.05, weight_decay=0.0)
    goal = torch.tensor([1.0, -0.5, 0.3, 2.0])
    generator = torch.Generator().manual_seed(0)

    def value(theta: torch.Tensor) -> torch.Tensor:
        return -(theta - goal).square().sum(-1)

    for _ in range(200):
        noise = torch.randn(16, 4, generator=generator)
        center = flat_values(es.weights)
        returns = [value(center + sign * es.sigma * noise) for sign in (1, -1)]
        es.step(noise, torch.stack(returns, 1))
    assert value(flat_values(es.weights)) > -0.02


@pytest.mark.parametrize("num_envs", [1, 3, 8])
def test_pairs_share_their_random_numbers(
    num_envs: int, identity_envs: MakeEnvs, make_agent: MakeAgent
) -> None:
    """Perturbed by next to nothing, the two of a pair get the same return: no gradient is left."""
    config = {"name": "es", "pairs": 6, "sigma": 1e-12, "weight_decay": 0.0}
    agent = make_agent(config, *identity_envs(True, num_envs), seed=1)
    metrics = agent.iterate()
    assert metrics["gradient_norm"] < 1e-2  # ranks that differ would give 1e11
    assert metrics["population_best"] - metrics["population_mean"] > 0.1
    assert agent.env_steps == 12 * 10


def test_first_pair_of_policies_is_where_the_noise_says(
    identity_envs: MakeEnvs, make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def evaluate(policy: Any, vectors: torch.Tensor, seeds: list[int], *rest: Any) -> list[Any]:
        seen["vectors"], seen["seeds"] = vectors, seeds
        raise StopIteration

    monkeypatch.setattr("genrl.rl.algorithms.es.evaluate", evaluate)
    agent = make_agent({"name": "es", "pairs": 5, "sigma": 0.3}, *identity_envs(False))
    center = flat_values(list(agent.algorithm.policy.parameters()))
    with pytest.raises(StopIteration):
        agent.iterate()
    plus, minus = seen["vectors"][::2], seen["vectors"][1::2]
    torch.testing.assert_close((plus + minus) / 2, center.expand(5, -1))
    assert ((plus - minus) / 0.6).std().item() == pytest.approx(1, abs=0.1)
    assert seen["seeds"][::2] == seen["seeds"][1::2]
    assert len(set(seen["seeds"])) == 5


class Opposite(EnvironmentReward):
    """Minus the environment's reward."""

    def reward(self, steps: Transitions) -> torch.Tensor:
        return -steps.reward


def test_learns_under_the_reward_in_force(identity_envs: MakeEnvs, make_agent: MakeAgent) -> None:
    gradients = []
    for source in (None, Opposite()):
        config = {"name": "es", "pairs": 4, "weight_decay": 0.0}
        agent = make_agent(config, *identity_envs(False), reward=source)
        agent.iterate()
        weights = agent.algorithm.policy.parameters()
        gradients.append(torch.cat([weight.grad.flatten() for weight in weights]))
    assert gradients[0].norm() > 0
    torch.testing.assert_close(gradients[0], -gradients[1])


@pytest.mark.parametrize("is_discrete", [True, False])
def test_learns_the_identity(
    is_discrete: bool, identity_envs: MakeEnvs, make_agent: MakeAgent
) -> None:
    config = {"name": "es", "pairs": 8, "sigma": 0.1, "learning_rate": 0.05}
    name = "categorical" if is_discrete else "deterministic"
    policy = {"name": name, "features": []}
    agent = make_agent(config, *identity_envs(is_discrete, 16), policy=policy)
    for _ in range(60):
        returns = agent.iterate()["episode_return"]
    assert returns > 9


def test_statistics_of_observations_stand_still_during_an_iteration(
    identity_envs: MakeEnvs, make_agent: MakeAgent
) -> None:
    agent = make_agent(
        {"name": "es", "pairs": 4}, *identity_envs(False), normalize_observations=True
    )
    normalizer = agent.interaction.normalizer
    agent.interaction.begin()
    before = copy.deepcopy(normalizer.state_dict())
    agent.algorithm.iterate(agent.interaction)
    assert all(torch.equal(value, before[key]) for key, value in normalizer.state_dict().items())
    agent.interaction.finish()
    assert normalizer.moments.count == 4 * 2 * 10


def test_goes_on_from_its_state(identity_envs: MakeEnvs, make_agent: MakeAgent) -> None:
    config = {"name": "es", "pairs": 4}
    first, second = (make_agent(config, *identity_envs(False), seed=s) for s in (0, 1))
    for _ in range(2):
        first.iterate()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.interaction.seed = first.interaction.seed
    for agent in (first, second):
        agent.iterate()
    vectors = [flat_values(list(a.algorithm.policy.parameters())) for a in (first, second)]
    assert torch.equal(*vectors)


def test_episodes_are_capped() -> None:
    spec = EnvSpec("test", 3, 1, False, (-1.0,), (1.0,), 200)
    policy = policies.build("deterministic", spec)
    assert ES(Parts(spec, policy)).steps_per_iteration == 200
    assert ES(Parts(spec, policy), episode_steps=50).steps_per_iteration == 50
    assert ES(Parts(SPEC, policy)).steps_per_iteration == 1000


@pytest.mark.parametrize("num_envs", [1, 3, 6, 8])
def test_an_iteration_takes_the_steps_it_says(
    num_envs: int, identity_envs: MakeEnvs, make_agent: MakeAgent
) -> None:
    """Identity never terminates: all six policies act for all ten steps, in any portions."""
    agent = make_agent({"name": "es", "pairs": 3}, *identity_envs(False, num_envs))
    agent.iterate()
    assert agent.env_steps == agent.algorithm.total_steps(num_envs) == 60


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("pairs", 0, "pairs must be at least 1"),
        ("sigma", 0.0, "sigma and learning_rate positive"),
        ("episode_steps", 0, "episode_steps must be at least 1, not 0"),
    ],
)
def test_refuses_numbers_out_of_range(parameter: str, value: float, message: str) -> None:
    parts = Parts(SPEC, policies.build("deterministic", SPEC))
    with pytest.raises(ConfigurationError, match=message):
        algorithms.build({"name": "es", parameter: value}, parts)


@pytest.mark.slow
def test_balances_a_pole(make_agent: MakeAgent) -> None:
    returns = []
    for seed in range(3):
        source = Gymnasium(id="CartPole-v1", num_envs=32)
        agent = make_agent(
            {"name": "es", "pairs": 16, "sigma": 0.1, "learning_rate": 0.1},
            source.make_vector(),
            source.spec,
            seed=seed,
            normalize_observations=True,
            policy={"name": "categorical", "features": []},
        )
        for _ in range(50):
            agent.iterate()
        test = Collector(source.make_vector(20), source.spec, seed=10_000)

        def act(*inputs: Any, agent: Agent = agent) -> tuple[torch.Tensor, torch.Tensor]:
            return agent.actor.act(*inputs, deterministic=True)

        returns.append([e.total for e in test.collect(act, 500).episodes][:20])
    assert np.sort(np.concatenate(returns))[15:45].mean() >= 475
