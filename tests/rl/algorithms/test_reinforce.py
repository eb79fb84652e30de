"""REINFORCE: its gradient by another formula, with and without baseline, and tasks learned."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import REINFORCE

MakeAgent = Callable[..., Agent]


@pytest.mark.parametrize("use_baseline", [True, False])
def test_gradient_by_another_formula(
    use_baseline: bool, identity_envs: Callable[..., Any], make_agent: MakeAgent
) -> None:
    config = {"name": "reinforce", "num_steps": 20, "use_baseline": use_baseline}
    agent = make_agent(config, *identity_envs(True), gamma=0.9)
    algorithm = agent.algorithm
    assert isinstance(algorithm, REINFORCE)
    agent.interaction.begin()
    rollout = agent.interaction.collect(algorithm.policy, 20)
    steps = rollout.steps
    policy, critic = copy.deepcopy(algorithm.policy), copy.deepcopy(algorithm.critic)
    batch = algorithm.prepare(rollout, agent.interaction.relabel(steps))
    algorithm.update(batch, agent.interaction)

    # Two whole episodes of 10 steps in each environment; V only after their time limit.
    power = 0.9 ** torch.arange(11)
    weights = torch.zeros(20, 8)
    with torch.no_grad():
        last = critic(steps.next_obs)
        for t in range(20):
            end = 10 * (t // 10) + 10
            rewards = (power[: end - t, None] * steps.reward[t:end]).sum(0)
            weights[t] = rewards + power[end - t] * last[end - 1]
        if use_baseline:
            weights -= critic(steps.obs)
            weights = (weights - weights.mean()) / weights.std()
    log_prob = torch.distributions.Categorical(logits=policy(steps.obs).logits).log_prob(
        steps.action
    )
    expected = torch.autograd.grad(-(log_prob * weights).mean(), list(policy.parameters()))
    for parameter, gradient in zip(algorithm.policy.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("use_baseline", [True, False])
@pytest.mark.parametrize("is_discrete", [True, False])
def test_learns_the_identity(
    use_baseline: bool,
    is_discrete: bool,
    identity_envs: Callable[..., Any],
    make_agent: MakeAgent,
) -> None:
    config = {
        "name": "reinforce",
        "num_steps": 20,
        "learning_rate": 0.02,
        "use_baseline": use_baseline,
        "value_epochs": 2,
    }
    agent = make_agent(config, *identity_envs(is_discrete), gamma=0.0)
    returns = [agent.iterate()["episode_return"] for _ in range(80)]
    assert sum(returns[-10:]) / 10 > 8


def test_refuses_no_epoch(identity_envs: Callable[..., Any], make_agent: MakeAgent) -> None:
    with pytest.raises(ConfigurationError, match="must be at least 1, not 0 and 128"):
        make_agent({"name": "reinforce", "value_epochs": 0}, *identity_envs(True))
