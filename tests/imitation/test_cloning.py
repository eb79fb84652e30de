"""The algorithm of supervised imitation: what is held out, statistics, counters, resume."""

import io
import logging
from typing import Any

import gymnasium
import pytest
import torch

from genrl.imitation.cloning import Cloning, split
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import BC, ImitationParts
from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import Parts, algorithms
from genrl.rl.policies import policies
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Pendulum-v1", 3, 1, low=(-2.0,), high=(2.0,), max_episode_steps=200)


def demonstrations(count: int) -> Demonstrations:
    generator = torch.Generator().manual_seed(1)
    items = []
    for number in range(count):
        obs = torch.tensor([5.0, 0.0, -3.0]) + torch.randn(31, 3, generator=generator)
        items.append(Demonstration(obs + number, obs[:-1, :1] - 5, torch.ones(30), False))
    return Demonstrations(items, "a test")


def agent_of(count: int = 4, policy: str = "gaussian", **parameters: Any) -> Agent:
    torch.manual_seed(0)
    loss = BC(ImitationParts(SPEC, demonstrations(count)))
    config: dict[str, Any] = {"name": policy}
    if policy == "diffusion":
        config |= {"horizon": 4, "action_steps": 2, "features": 16, "num_layers": 1, "num_steps": 2}
    parts = Parts(SPEC, policies.build(config, SPEC))
    settings = {"name": "cloning", "updates_per_iteration": 5, "batch_size": 32, **parameters}
    algorithm = algorithms.build(settings, parts, loss)
    envs = gymnasium.make_vec("Pendulum-v1", num_envs=1)
    return Agent(algorithm, envs, SPEC, num_iterations=4, normalize_observations=True)


@pytest.mark.parametrize(
    ("count", "share", "held_out"),
    [(1, 0.3, 0), (2, 0.3, 1), (3, 0.3, 1), (5, 0.3, 1), (10, 0.3, 3), (2, 0.9, 1), (4, 0.0, 0)],
)
def test_what_is_held_out(count: int, share: float, held_out: int) -> None:
    episodes = demonstrations(count).episodes
    train, test = split(episodes, share)
    assert (len(train), len(test)) == (count - held_out, held_out)
    assert [*train, *test] == list(episodes)


def test_one_demonstration_is_not_split_and_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        agent = agent_of(1)
    assert "none is held out" in caplog.text
    assert "held_out_loss" not in agent.iterate()


def test_it_neither_acts_nor_looks_at_what_is_held_out() -> None:
    agent = agent_of(4, held_out=0.3)
    metrics = agent.iterate()
    assert agent.env_steps == 0
    assert agent.gradient_steps == 5
    assert metrics["windows"] == 3 * 30
    train = torch.cat([item.obs[:-1] for item in demonstrations(4).episodes[:3]])
    mean = agent.interaction.normalizer.moments.mean
    torch.testing.assert_close(mean, train.double().mean(0), rtol=1e-6, atol=1e-6)
    agent.iterate()
    torch.testing.assert_close(mean, train.double().mean(0), rtol=1e-6, atol=1e-6)


def test_the_held_out_loss_is_the_loss_there() -> None:
    agent = agent_of(4)
    metrics = agent.iterate()
    item = demonstrations(4).episodes[3]
    with torch.no_grad():
        distribution = agent.algorithm.policy(agent.interaction.normalizer(item.obs[:-1]))
        expected = float(-distribution.log_prob(item.action).mean())
    assert metrics["held_out_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("policy", ["gaussian", "recurrent", "diffusion"])
def test_it_resumes_bit_for_bit(policy: str) -> None:
    agent = agent_of(policy=policy)
    for _ in range(2):
        agent.iterate()
    state = {
        "algorithm": agent.algorithm.training_state(),
        "interaction": agent.interaction.state_dict(),
    }
    torch.save(state, buffer := io.BytesIO())
    buffer.seek(0)
    other = agent_of(policy=policy)
    stored = torch.load(buffer, weights_only=True)
    other.algorithm.load_training_state(stored["algorithm"])
    other.interaction.load_state_dict(stored["interaction"])
    for _ in range(2):
        assert agent.iterate() == other.iterate()
    ours, theirs = agent.algorithm.policy.state_dict(), other.algorithm.policy.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_average_of_a_diffusion_policy_follows() -> None:
    agent = agent_of(policy="diffusion")
    agent.iterate()
    policy: Any = agent.algorithm.policy
    assert int(policy.average.count) == 5
    assert all(not p.requires_grad for p in policy.average.parameters())


def test_the_learning_rate_falls_to_zero() -> None:
    agent, rates = agent_of(), []
    for _ in range(4):
        agent.iterate()
        rates.append(agent.algorithm.optimizers()[0].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"updates_per_iteration": 0}, "updates_per_iteration"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"held_out": 1.0}, "held_out"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        agent_of(**parameters)


def test_it_needs_a_supervised_loss() -> None:
    with pytest.raises(ConfigurationError, match="imitation_loss=bc"):
        Cloning(Parts(SPEC, policies.build("gaussian", SPEC)))


def test_defaults() -> None:
    assert Cloning.defaults(SPEC)["policy"]["name"] == "gaussian"
    discrete = EnvSpec("Discrete-v0", 3, 2, is_discrete=True)
    assert Cloning.defaults(discrete)["policy"]["name"] == "categorical"
    assert agent_of().algorithm.steps_per_iteration == 0
