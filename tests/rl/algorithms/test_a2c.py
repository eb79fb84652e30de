"""A2C: its gradient by another formula, and small tasks learned."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import A2C

MakeAgent = Callable[..., Agent]


def test_gradient_by_another_formula(
    identity_envs: Callable[..., Any], make_agent: MakeAgent
) -> None:
    config = {"name": "a2c", "num_steps": 12, "gradient_clip": 0.0, "entropy_weight": 0.03}
    agent = make_agent(config, *identity_envs(True), gamma=0.9)
    algorithm = agent.algorithm
    assert isinstance(algorithm, A2C)
    agent.interaction.begin()
    rollout = agent.interaction.collect(algorithm.policy, 12)
    steps = rollout.steps
    policy, critic = copy.deepcopy(algorithm.policy), copy.deepcopy(algorithm.critic)
    batch = algorithm.prepare(rollout, agent.interaction.relabel(steps))
    metrics = algorithm.update(batch, agent.interaction)

    # Returns one after another, bootstrapped at the time limit and at the end of the rollout.
    with torch.no_grad():
        following = critic(steps.next_obs[-1])
        returns = torch.zeros(12, 8)
        for t in reversed(range(12)):
            following = torch.where(steps.truncated[t], critic(steps.next_obs[t]), following)
            following = returns[t] = steps.reward[t] + 0.9 * following
    distribution = torch.distributions.Categorical(logits=policy(steps.obs).logits)
    values = critic(steps.obs)
    advantages = (returns - values).detach()
    loss = (
        -(distribution.log_prob(steps.action) * advantages).mean()
        + 0.25 * (values - returns).square().mean()
        - 0.03 * distribution.entropy().mean()
    )
    expected = torch.autograd.grad(loss, [*policy.parameters(), *critic.parameters()])
    ours = [*algorithm.policy.parameters(), *algorithm.critic.parameters()]
    for parameter, gradient in zip(ours, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-4)


@pytest.mark.parametrize("is_discrete", [True, False])
def test_learns_the_identity(
    is_discrete: bool, identity_envs: Callable[..., Any], make_agent: MakeAgent
) -> None:
    config = {"name": "a2c", "num_steps": 10, "learning_rate": 3e-3}
    agent = make_agent(config, *identity_envs(is_discrete))
    returns = [agent.iterate().get("episode_return", 0.0) for _ in range(250)]
    assert sum(returns[-20:]) / 20 > (9 if is_discrete else 8)


def test_learns_with_a_memory(identity_envs: Callable[..., Any], make_agent: MakeAgent) -> None:
    config = {"name": "a2c", "num_steps": 10, "learning_rate": 5e-3}
    policy = {"name": "recurrent", "memory": 16, "features": []}
    agent = make_agent(config, *identity_envs(True), policy=policy)
    returns = [agent.iterate()["episode_return"] for _ in range(150)]
    assert sum(returns[-10:]) / 10 > 8


def test_learning_rate_falls_to_zero(
    identity_envs: Callable[..., Any], make_agent: MakeAgent
) -> None:
    agent = make_agent({"name": "a2c", "anneal": True}, *identity_envs(True))
    agent.interaction.num_iterations = 4
    rates = []
    for _ in range(5):
        agent.iterate()
        rates.append(agent.algorithm.optimizers()[0].param_groups[0]["lr"])
    assert rates == pytest.approx([7e-4, 5.25e-4, 3.5e-4, 1.75e-4, 0.0])


def test_refuses_no_learning_rate(identity_envs: Callable[..., Any], make_agent: MakeAgent) -> None:
    with pytest.raises(ConfigurationError, match="learning_rate must be positive"):
        make_agent({"name": "a2c", "learning_rate": 0.0}, *identity_envs(True))
