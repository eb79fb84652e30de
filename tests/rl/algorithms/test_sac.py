"""SAC: its three losses by hand, its temperature's fixed point, and the identity learned."""

import copy
import math
from collections.abc import Callable
from typing import Any

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from torch import Tensor, nn

from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import SAC, Parts
from genrl.rl.algorithms.off_policy import Replay
from genrl.rl.buffers import buffers
from genrl.rl.critics import QCritic, critics
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import policies
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.spec import EnvSpec
from genrl.testing.identity import IdentityBoxEnv

MakeAgent = Callable[..., Agent]
SPEC = EnvSpec("box", 3, 2, False, (-2.0, -1.0), (2.0, 3.0))
SIZES: dict[str, Any] = {"features": (8,)}


class NoCollector:
    """An update needs no environment."""


def bare_interaction() -> Interaction:
    """Random numbers and counters only."""
    normalizer = ObservationNormalizer(3, is_active=False)
    scaler = RewardScaler(1, 0.9, is_active=False)
    collector: Any = NoCollector()
    return Interaction(collector, EnvironmentReward(), normalizer, scaler, num_iterations=1)


def sac(critic: QCritic | None = None, spec: EnvSpec = SPEC, **numbers: Any) -> SAC:
    """With small networks."""
    torch.manual_seed(0)
    policy = policies.build({"name": "tanh_gaussian", **SIZES}, spec)
    critic = critic or critics.build({"name": "twin_q", **SIZES}, spec, spec.obs_size)
    algorithm = SAC(Parts(spec, policy, critic, None, buffers.build({"name": "replay"})), **numbers)
    with torch.no_grad():  # apart from the online critic, as in the middle of a run
        for parameter in algorithm.target_critic.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return algorithm


def replay(count: int = 6) -> Replay:
    """Examples of which every second one is over."""
    draw = torch.Generator().manual_seed(1)
    over = torch.arange(count) % 2 == 0
    return Replay(
        torch.randn(count, 3, generator=draw),
        torch.randn(count, 3, generator=draw),
        torch.randn(count, 2, generator=draw).clamp(-1, 1),
        torch.randn(count, generator=draw),
        0.9 * (~over).float(),
        torch.rand(count, generator=draw),
    )


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_one_update_by_hand(temperature: float) -> None:
    algorithm = sac(temperature=temperature, target_rate=0.1, temperature_rate=0.01)
    batch, interaction = replay(), bare_interaction()
    policy, critic, target = map(
        copy.deepcopy, (algorithm.policy, algorithm.critic, algorithm.target_critic)
    )
    interaction.generator.manual_seed(5)
    metrics = algorithm.update(batch, interaction)

    draw = torch.Generator().manual_seed(5)
    alpha = temperature
    with torch.no_grad():
        action, log_prob = policy(batch.next_features).rsample_with_log_prob(draw)
        values = target(batch.next_features, action)
        y = [
            r + g * (min(a, b) - alpha * entropy)
            for r, g, a, b, entropy in zip(
                *(x.tolist() for x in (batch.reward, batch.discount, *values, log_prob)),
                strict=True,
            )
        ]
    assert y[::2] == pytest.approx(batch.reward[::2].tolist())
    both = critic(batch.features, batch.action)
    error = 0.5 * (both[0] - torch.tensor(y)) ** 2 + 0.5 * (both[1] - torch.tensor(y)) ** 2
    critic_loss = (batch.weight * error).mean()
    expected = torch.autograd.grad(critic_loss, list(critic.parameters()))
    for parameter, gradient in zip(algorithm.critic.parameters(), expected, strict=True):
        # What the policy's loss says of the critic is not in it.
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)
    assert metrics["loss"] == pytest.approx(critic_loss.item(), rel=1e-5)

    # The policy is judged by the critic after its own step.
    action, log_prob = policy(batch.features).rsample_with_log_prob(draw)
    judged = algorithm.critic(batch.features, action)
    policy_loss = (alpha * log_prob - torch.minimum(judged[0], judged[1])).mean()
    expected = torch.autograd.grad(policy_loss, list(policy.parameters()))
    for parameter, gradient in zip(algorithm.policy.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)
    assert metrics["policy_loss"] == pytest.approx(policy_loss.item(), rel=1e-5)
    assert metrics["entropy"] == pytest.approx(-log_prob.mean().item(), rel=1e-5)

    # d/d log α of -log α (log π + H̄), with H̄ = -2.
    slope = -(log_prob.mean().item() - 2.0)
    assert algorithm.log_alpha.grad is not None
    assert algorithm.log_alpha.grad.item() == pytest.approx(slope, rel=1e-5)
    moved = algorithm.log_alpha.item() - math.log(temperature)
    assert moved == pytest.approx(-math.copysign(0.01, slope), rel=1e-4)  # Adam's first step

    for now, before, online in zip(
        algorithm.target_critic.parameters(),
        target.parameters(),
        algorithm.critic.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(now, 0.9 * before + 0.1 * online)
        assert now.grad is None


def test_what_the_target_critic_is_asked_has_one_number_for_each_example() -> None:
    algorithm, asked = sac(), []
    inner = algorithm.target_critic.target

    def spy(*fields: Tensor) -> Tensor:
        asked.extend(fields)
        y = inner(*fields)
        asked.append(y)
        return y

    algorithm.target_critic.target = spy  # type: ignore[method-assign]
    algorithm.update(replay(), bare_interaction())
    assert [tuple(field.shape) for field in asked] == [(6, 3), (6, 2), (6,), (6,), (6,), (6,)]
    assert not any(field.requires_grad for field in asked)


class Parabola(QCritic):
    """Q = -a²/2, which nothing changes."""

    def __init__(self, spec: EnvSpec) -> None:
        super().__init__(spec, 1)
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        return (-0.5 * action.square().sum(-1) + 0 * self.unused)[None]

    def target(self, next_features: Tensor, next_action: Tensor, *rest: Tensor) -> Tensor:
        return rest[0]

    def loss(self, features: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        loss = 0 * self(features, action)[0]
        return loss, loss.detach()


def test_fixed_point_of_the_temperature() -> None:
    """At Q = -a²/2 the best policy is N(0, α); its entropy is -1/2 at α = e⁻² / 2π = 0.0215."""
    spec = EnvSpec("bandit", 1, 1, False, (-1.0,), (1.0,))
    algorithm = sac(
        Parabola(spec),
        spec,
        target_entropy=-0.5,
        learning_rate=0.01,
        temperature_rate=0.01,
    )
    interaction = bare_interaction()
    count = 256
    zeros = torch.zeros(count)
    batch = Replay(torch.zeros(count, 1), torch.zeros(count, 1), zeros[:, None], *[zeros] * 3)
    entropies, temperatures = [], []
    for step in range(2000):
        if step == 1400:
            for optimizer in algorithm.optimizers():
                optimizer.learning_rate = 0.001
        metrics = algorithm.update(batch, interaction)
        if step >= 1600:
            entropies.append(metrics["entropy"])
            temperatures.append(metrics["temperature"])
    exact = math.exp(-2) / (2 * math.pi)
    assert exact == pytest.approx(0.0215, abs=5e-5)
    assert sum(entropies) / 400 == pytest.approx(-0.5, abs=0.02)
    # A squashed Gaussian is not the best policy, only nearly.
    assert sum(temperatures) / 400 == pytest.approx(exact, abs=0.0015)


def test_a_temperature_rate_of_zero_keeps_the_temperature() -> None:
    algorithm, interaction = sac(temperature=0.2, temperature_rate=0.0), bare_interaction()
    for _ in range(3):
        metrics = algorithm.update(replay(), interaction)
    assert metrics["temperature"] == pytest.approx(0.2)


def test_target_entropy_is_minus_the_number_of_actions() -> None:
    assert sac().target_entropy == -2
    assert sac(target_entropy=0.0).target_entropy == 0.0


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="target_rate in"):
        sac(target_rate=0.0)
    with pytest.raises(ValueError, match="temperature must be positive"):
        sac(temperature=0.0)
    critic = critics.build({"name": "twin_q", **SIZES}, SPEC, 3)
    for name in ("deterministic", "mixture"):
        policy = policies.build({"name": name}, SPEC)
        parts = Parts(SPEC, policy, critic, None, buffers.build({"name": "replay"}))
        with pytest.raises(ConfigurationError, match="take policy=tanh_gaussian"):
            SAC(parts)
    discrete = EnvSpec("pole", 3, 2, True)
    policy = policies.build({"name": "categorical"}, discrete)
    parts = Parts(discrete, policy, critic, None, buffers.build({"name": "replay"}))
    with pytest.raises(ConfigurationError, match="take algorithm=ppo"):
        SAC(parts)


@pytest.mark.parametrize("critic", [{"name": "twin_q"}, {"name": "distributional", "num_atoms": 8}])
def test_learns_the_identity_of_numbers(critic: dict[str, Any], make_agent: MakeAgent) -> None:
    def make() -> gymnasium.Env[Any, Any]:
        return TimeLimit(IdentityBoxEnv(), 50)

    envs = SyncVectorEnv([make], autoreset_mode=AutoresetMode.SAME_STEP)
    spec = EnvSpec.of("identity", envs.single_observation_space, envs.single_action_space, 50)
    config = {
        "name": "sac",
        "batch_size": 64,
        "learning_starts": 100,
        "iteration_steps": 100,
        "learning_rate": 3e-3,
        "temperature_rate": 1e-2,
    }
    wide: dict[str, Any] = {"features": (64,)}
    agent = make_agent(
        config,
        envs,
        spec,
        gamma=0.4,
        policy={"name": "tanh_gaussian", **wide},
        critic={**critic, **wide},
    )
    for _ in range(7):
        agent.iterate()
    obs = torch.linspace(-0.95, 0.95, 100)[:, None]
    action, _ = agent.actor.act(
        obs, torch.zeros(100, dtype=torch.bool), torch.zeros(100, 0), deterministic=True
    )
    assert 100 - float((action - obs).abs().sum()) >= 90
