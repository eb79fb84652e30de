"""TD3: its losses by hand, its smoothed target, its delay, and the identity learned."""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.agent import Agent
from genrl.rl.algorithms import TD3, Parts
from genrl.rl.algorithms.off_policy import Replay
from genrl.rl.buffers import buffers
from genrl.rl.critics import critics
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import policies
from genrl.rl.policies.noisy import NoisyPolicy
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.spec import EnvSpec
from genrl.testing.identity import IdentityBoxEnv

MakeAgent = Callable[..., Agent]
SPEC = EnvSpec("box", 3, 2, False, (-2.0, -1.0), (2.0, 3.0))
HALF = torch.tensor([2.0, 2.0])
SIZES: dict[str, Any] = {"features": (8,)}


def bare_interaction() -> Interaction:
    """Random numbers and counters only."""
    normalizer = ObservationNormalizer(3, is_active=False)
    scaler = RewardScaler(1, 0.9, is_active=False)
    nothing: Any = None
    return Interaction(nothing, EnvironmentReward(), normalizer, scaler, num_iterations=1)


def td3(spec: EnvSpec = SPEC, **numbers: Any) -> TD3:
    """With small networks; targets apart from the learners, as in the middle of a run."""
    torch.manual_seed(0)
    policy = policies.build({"name": "deterministic", **SIZES}, spec)
    critic = critics.build({"name": "twin_q", **SIZES}, spec, 3)
    algorithm = TD3(Parts(spec, policy, critic, None, buffers.build({"name": "replay"})), **numbers)
    with torch.no_grad():
        for module in (algorithm.target_critic, algorithm.target_policy):
            for parameter in module.parameters():
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


def clones(algorithm: TD3) -> tuple[Any, ...]:
    """Policy, critic and their targets, as they are."""
    mine = (algorithm.policy, algorithm.critic, algorithm.target_policy, algorithm.target_critic)
    return tuple(map(copy.deepcopy, mine))


def test_two_updates_by_hand() -> None:
    algorithm, interaction = td3(target_rate=0.1, policy_delay=2), bare_interaction()
    batch, draw = replay(), torch.Generator().manual_seed(5)
    interaction.generator.manual_seed(5)
    for number in (1, 2):
        policy, critic, target_policy, target_critic = clones(algorithm)
        metrics = algorithm.update(batch, interaction)
        noise = (0.2 * torch.randn(6, 2, generator=draw)).clamp(-0.5, 0.5) * HALF
        with torch.no_grad():
            wanted = target_policy(batch.next_features).mode + noise
            action = torch.stack([wanted[:, 0].clamp(-2, 2), wanted[:, 1].clamp(-1, 3)], 1)
            first, second = target_critic(batch.next_features, action)
            y = batch.reward + batch.discount * torch.minimum(first, second)
        both = critic(batch.features, batch.action)
        loss = (batch.weight * 0.5 * ((both[0] - y) ** 2 + (both[1] - y) ** 2)).mean()
        expected = torch.autograd.grad(loss, list(critic.parameters()))
        for parameter, gradient in zip(algorithm.critic.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-6)
        assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5)

        pairs = [
            (algorithm.target_policy, target_policy, algorithm.policy),
            (algorithm.target_critic, target_critic, algorithm.critic),
        ]
        rate = 0.0 if number == 1 else 0.1
        for now, before, online in pairs:
            for rows in zip(
                now.parameters(), before.parameters(), online.parameters(), strict=True
            ):
                torch.testing.assert_close(rows[0], (1 - rate) * rows[1] + rate * rows[2])
                assert rows[0].grad is None
        if number == 1:
            assert "policy_loss" not in metrics
            for mine, old in zip(algorithm.policy.parameters(), policy.parameters(), strict=True):
                assert torch.equal(mine, old)
            continue
        # The policy climbs the first member, as it is after its step.
        loss = -algorithm.critic(batch.features, policy(batch.features).mode)[0].mean()
        expected = torch.autograd.grad(loss, list(policy.parameters()))
        for parameter, gradient in zip(algorithm.policy.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("delay", [1, 3])
def test_policy_and_targets_wait(delay: int) -> None:
    algorithm, interaction = td3(policy_delay=delay), bare_interaction()
    moved = []
    for _ in range(7):
        before = clones(algorithm)
        algorithm.update(replay(), interaction)
        after = clones(algorithm)
        moved.append(
            [
                any(
                    not torch.equal(a, b)
                    for a, b in zip(x.parameters(), y.parameters(), strict=True)
                )
                for x, y in zip(before, after, strict=True)
            ]
        )
    for number, (policy, critic, target_policy, target_critic) in enumerate(moved, 1):
        assert critic
        assert policy == target_policy == target_critic == (number % delay == 0)


def test_the_delay_goes_on_after_a_resume() -> None:
    algorithm, interaction = td3(policy_delay=2), bare_interaction()
    algorithm.update(replay(), interaction)
    other = td3(policy_delay=2)
    other.load_state_dict(copy.deepcopy(algorithm.state_dict()))
    assert "policy_loss" in other.update(replay(), interaction)


def test_the_targets_noise_is_limited_and_its_action_within_bounds() -> None:
    algorithm = td3(target_noise=10.0, target_noise_clip=0.25)
    asked: list[Tensor] = []
    inner = algorithm.target_critic.target

    def spy(*fields: Tensor) -> Tensor:
        asked.extend(fields)
        return inner(*fields)

    algorithm.target_critic.target = spy  # type: ignore[method-assign]
    batch = replay(400)
    algorithm.update(batch, bare_interaction())
    mode = algorithm.target_policy(batch.next_features).mode
    # Noise this large nearly always is at its limit: 0.25 of half the range, 2.
    low, high = torch.tensor(SPEC.low), torch.tensor(SPEC.high)
    up = torch.minimum(mode + 0.5, high)
    down = torch.maximum(mode - 0.5, low)
    at_limit = torch.isclose(asked[1], up) | torch.isclose(asked[1], down)
    assert at_limit.float().mean() > 0.95
    assert bool(((asked[1] <= high) & (asked[1] >= low)).all())
    assert [tuple(field.shape) for field in asked[2:]] == [(400,)] * 3
    assert not asked[4].any()  # no entropy is paid


def test_explores_with_noise_around_its_policy() -> None:
    algorithm = td3(exploration_noise=0.3)
    assert isinstance(algorithm.explorer, NoisyPolicy)
    assert algorithm.explorer.noise == 0.3
    obs, start = torch.randn(5, 3), torch.zeros(5, dtype=torch.bool)
    action, _ = algorithm.explorer.act(obs, start, torch.zeros(5, 0), deterministic=True)
    assert torch.equal(action, algorithm.policy(obs).mode)
    names = [name for name, _ in algorithm.named_parameters()]
    assert not [name for name in names if "explorer" in name]


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="policy_delay at least 1"):
        td3(policy_delay=0)
    with pytest.raises(ValueError, match="noise cannot be negative"):
        td3(target_noise=-0.1)
    discrete = EnvSpec("pole", 3, 2, True)
    policy = policies.build({"name": "categorical"}, discrete)
    critic = critics.build({"name": "twin_q", **SIZES}, discrete, 3)
    with pytest.raises(ConfigurationError, match="finite bounds, which pole has not"):
        TD3(Parts(discrete, policy, critic, None, buffers.build({"name": "replay"})))


def test_learns_the_identity_of_numbers(make_agent: MakeAgent) -> None:
    def make() -> gymnasium.Env[Any, Any]:
        return TimeLimit(IdentityBoxEnv(), 50)

    envs = SyncVectorEnv([make], autoreset_mode=AutoresetMode.SAME_STEP)
    spec = EnvSpec.of("identity", envs.single_observation_space, envs.single_action_space, 50)
    config = {
        "name": "td3",
        "batch_size": 64,
        "learning_starts": 100,
        "iteration_steps": 100,
        "learning_rate": 3e-3,
    }
    wide: dict[str, Any] = {"features": (64,)}
    agent = make_agent(
        config,
        envs,
        spec,
        gamma=0.4,
        policy={"name": "deterministic", **wide},
        critic={"name": "twin_q", **wide},
    )
    for _ in range(8):
        agent.iterate()
    obs = torch.linspace(-0.95, 0.95, 100)[:, None]
    action, _ = agent.actor.act(
        obs, torch.zeros(100, dtype=torch.bool), torch.zeros(100, 0), deterministic=True
    )
    assert 100 - float((action - obs).abs().sum()) >= 90
