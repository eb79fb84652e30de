"""Behavioural cloning: torch's likelihood, a linear expert, two ways to act, inferred actions."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from genrl.imitation.cloning import Cloning
from genrl.imitation.demonstrations import Demonstration, Demonstrations
from genrl.imitation.losses import ImitationParts, SupervisedLoss, imitation_losses
from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import Parts
from genrl.rl.policies import Policy, policies
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Linear-v0", 3, 2, low=(-9.0, -9.0), high=(9.0, 9.0))
GAIN = torch.tensor([[1.0, -2.0], [0.5, 0.0], [0.0, 1.5]])


class Linear(gymnasium.Env[Any, Any]):
    """s' = s + (a_1, a_2, a_1 - a_2) / 10 + drift; episodes of 20 steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-9.0, 9.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state, self.time = self.np_random.normal(size=3), 0
        return self.state.astype(np.float32), {}

    def step(self, action: Any) -> Any:
        a, b = (float(x) for x in action)
        self.state = 0.9 * self.state + np.array([a, b, a - b]) / 10
        self.time += 1
        return self.state.astype(np.float32), 0.0, False, self.time == 20, {}


def vector(num_envs: int = 2) -> SyncVectorEnv:
    return SyncVectorEnv([Linear] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def demonstrations(episodes: int = 4, noise: float = 0.0) -> Demonstrations:
    generator = torch.Generator().manual_seed(1)
    items = []
    for _ in range(episodes):
        state, obs, actions = torch.randn(3, generator=generator), [], []
        for _ in range(50):
            action = state @ GAIN + noise * torch.randn(2, generator=generator)
            obs.append(state)
            actions.append(action)
            move = torch.stack([action[0], action[1], action[0] - action[1]]) / 10
            state = 0.9 * state + move + 0.3 * torch.randn(3, generator=generator)
        rows = torch.stack([*obs, state])
        items.append(Demonstration(rows, torch.stack(actions), torch.zeros(50), False))
    return Demonstrations(items, "linear")


def build(name: str = "bc", given: Demonstrations | None = None, **parameters: Any) -> Any:
    parts = ImitationParts(SPEC, given or demonstrations())
    return imitation_losses.build({"name": name, **parameters}, parts)


def policy_of(config: dict[str, Any], spec: EnvSpec = SPEC) -> Policy:
    torch.manual_seed(0)
    return policies.build(config, spec)


def learn(policy: Policy, loss: SupervisedLoss, iterations: int, **parameters: Any) -> Agent:
    cloning = Cloning(Parts(SPEC, policy), loss, **parameters)
    agent = Agent(cloning, vector(), SPEC, num_iterations=iterations)
    for _ in range(iterations):
        agent.iterate()
    return agent


def test_the_likelihood_is_that_of_torch() -> None:
    policy = policy_of({"name": "gaussian", "initial_log_std": -0.3}).double()
    random = torch.Generator().manual_seed(0)
    obs = torch.randn(7, 1, 3, generator=random, dtype=torch.float64)
    action = torch.randn(7, 1, 2, generator=random, dtype=torch.float64)
    valid = torch.ones(7, 1, dtype=torch.bool)
    mean = policy.head.network(obs)  # type: ignore[union-attr, operator]
    std = torch.full_like(mean, -0.3, dtype=torch.float64).float().exp().double()
    expected = -torch.distributions.Normal(mean, std).log_prob(action).sum(-1).mean()
    actual = build().loss(policy, obs, action, valid, random)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-7)


def test_the_error_is_the_mean_over_valid_steps() -> None:
    random = torch.Generator().manual_seed(0)
    obs, action = torch.randn(5, 4, 3, generator=random), torch.randn(5, 4, 2, generator=random)
    valid = torch.tensor([1, 1, 0, 0]).bool().expand(5, 4)
    for config in ({"name": "gaussian"}, {"name": "recurrent"}):
        policy = policy_of(config)
        features, _ = policy.encode(  # type: ignore[operator]
            obs.transpose(0, 1), torch.zeros(4, 5, dtype=torch.bool), policy.initial_memory(5)
        )
        mode = policy(features).mode.transpose(0, 1)
        expected = torch.nn.functional.mse_loss(mode[:, :2], action[:, :2])
        actual = build(kind="mse").loss(policy, obs, action, valid, random)
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("kind", ["likelihood", "mse"])
def test_a_linear_expert_is_recovered(kind: str) -> None:
    policy = policy_of({"name": "gaussian", "features": []})
    learn(policy, build(kind=kind, given=demonstrations(noise=0.1)), 4, learning_rate=3e-2)
    weight = policy.head.network[0].weight.detach().T  # type: ignore[union-attr, index]
    torch.testing.assert_close(weight, GAIN, rtol=0, atol=0.05)
    if kind == "likelihood":
        std = policy.head.log_std.detach().exp()  # type: ignore[union-attr]
        torch.testing.assert_close(std, torch.full((2,), 0.1), rtol=0.15, atol=0)


def test_the_squared_error_averages_two_ways_of_acting_and_a_diffusion_does_not() -> None:
    random = torch.Generator().manual_seed(2)
    sign = 6.0 * torch.randint(2, (400, 1), generator=random) - 3
    rows = torch.randn(401, 3, generator=random)
    given = Demonstrations(
        [Demonstration(rows, sign.expand(-1, 2).clone(), torch.zeros(400), False)] * 2, "two ways"
    )
    obs, start = torch.randn(200, 3, generator=random), torch.ones(200, dtype=torch.bool)

    def actions(policy: Policy) -> torch.Tensor:
        return policy.act(obs, start, policy.initial_memory(200), generator=random)[0].detach()

    mean = policy_of({"name": "deterministic", "features": [8]})
    learn(mean, build(kind="mse", given=given), 2, learning_rate=1e-2, updates_per_iteration=150)
    assert float(actions(mean).abs().mean()) < 1.0
    sizes = {"horizon": 1, "action_steps": 1, "obs_steps": 1, "features": 32, "num_layers": 1}
    both = policy_of({"name": "flow", "average": 0.95, **sizes})
    learn(both, build(given=given), 2, learning_rate=3e-3, updates_per_iteration=250)
    chosen = actions(both)
    assert float((chosen.abs() - 3).abs().mean()) < 0.6
    assert 0.35 < float((chosen[:, 0] > 0).float().mean()) < 0.65


def test_actions_are_inferred_from_states() -> None:
    given = demonstrations(6)
    blank = [
        Demonstration(item.obs, torch.zeros_like(item.action), item.reward, False)
        for item in given.episodes
    ]
    # The noise of the demonstrations' states would enter the inferred actions.
    clean = []
    for item in blank:
        state, obs = item.obs[0], [item.obs[0]]
        for _ in range(50):
            a = state @ GAIN
            state = 0.9 * state + torch.stack([a[0], a[1], a[0] - a[1]]) / 10
            obs.append(state)
        clean.append(Demonstration(torch.stack(obs), item.action, item.reward, False))
    loss = build(
        inputs="state",
        given=Demonstrations(clean, "states"),
        inverse_steps=200,
        inverse_updates=150,
    )
    assert loss.steps_per_iteration == 200
    policy = policy_of({"name": "gaussian", "features": []})
    agent = learn(policy, loss, 3, learning_rate=3e-2, batch_size=64)
    assert agent.env_steps == 3 * 2 * 200
    relabelled = torch.cat([item.action for item in loss.relabel(clean)])
    truth = torch.cat([item.obs[:-1] @ GAIN for item in clean])
    assert float((relabelled - truth).square().mean().sqrt()) < 0.25 * float(truth.std())


def test_what_makes_no_sense_is_refused() -> None:
    discrete = EnvSpec("Discrete-v0", 3, 2, is_discrete=True)
    with pytest.raises(ConfigurationError, match="kind=likelihood"):
        imitation_losses.build({"name": "bc", "kind": "mse"}, ImitationParts(discrete))
    chunks = policy_of({"name": "flow", "horizon": 1, "action_steps": 1, "obs_steps": 1})
    ones = torch.ones(1, 1, dtype=torch.bool)
    with pytest.raises(ConfigurationError, match="no mode"):
        build(kind="mse").loss(
            chunks, torch.zeros(1, 1, 3), torch.zeros(1, 1, 2), ones, torch.Generator()
        )
    with pytest.raises(ConfigurationError, match="inverse_steps"):
        build(inverse_steps=0)
