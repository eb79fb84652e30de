"""PPO: its loss against other formulas, and its minibatches."""

import copy
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.advantages import GAE
from genrl.rl.agent import Agent
from genrl.rl.algorithms import PPO, Parts, ppo
from genrl.rl.algorithms.on_policy import OnPolicyBatch
from genrl.rl.critics import critics
from genrl.rl.policies import MixturePolicy, policies
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions
from genrl.testing.counting import CountingEnv
from genrl.testing.identity import IdentityEnv

MakeAgent = Callable[..., Agent]
Envs = Callable[..., tuple[VectorEnv, EnvSpec]]
Vector = Callable[..., tuple[SyncVectorEnv, EnvSpec]]
RECURRENT = {"name": "recurrent", "memory": 8, "features": ()}


def ppo_of(agent: Agent) -> PPO:
    """Its algorithm."""
    assert isinstance(agent.algorithm, PPO)
    return agent.algorithm


def prepared(agent: Agent, num_steps: int) -> OnPolicyBatch:
    """A batch to learn from, as `iterate` makes it."""
    agent.interaction.begin()
    algorithm = ppo_of(agent)
    rollout = agent.interaction.collect(algorithm.policy, num_steps)
    return algorithm.prepare(rollout, agent.interaction.relabel(rollout.steps))


def test_gradient_of_the_surrogate_is_cut_beyond_the_clip() -> None:
    ratio = torch.tensor([0.5, 0.9, 1.1, 1.5], dtype=torch.float64)
    for sign, expected in ((1.0, [1, 1, 1, 0]), (-1.0, [0, -1, -1, -1])):
        log_ratio = ratio.log().requires_grad_()
        loss = ppo.clipped_surrogate(log_ratio, torch.full_like(ratio, sign), 0.2)
        (gradient,) = torch.autograd.grad(-4 * loss, log_ratio)
        assert (gradient / ratio).tolist() == pytest.approx(expected, abs=1e-12)
        limited = ratio.clamp(0.8, 1.2)
        objective = [min(sign * a, sign * b) for a, b in zip(ratio, limited, strict=True)]
        assert float(-4 * loss.detach()) == pytest.approx(float(sum(objective)))


@pytest.mark.parametrize("is_discrete", [True, False])
def test_gradient_by_another_formula(
    is_discrete: bool, identity_envs: Envs, make_agent: MakeAgent
) -> None:
    config = {
        "name": "ppo",
        "num_steps": 12,
        "batch_size": 1000,
        "epochs": 1,
        "gradient_clip": 0.0,
        "value_weight": 0.7,
        "entropy_weight": 0.03,
        "value_clip": 0.05,
    }
    agent = make_agent(config, *identity_envs(is_discrete))
    algorithm = ppo_of(agent)
    batch = prepared(agent, 12)
    with torch.no_grad():  # so that ratios leave the clip range, and values theirs
        for parameter in algorithm.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    policy, critic = copy.deepcopy(algorithm.policy), copy.deepcopy(algorithm.critic)
    metrics = algorithm.update(batch, agent.interaction)

    obs, action = batch.steps.obs, batch.steps.action
    distribution: torch.distributions.Distribution
    if is_discrete:
        distribution = torch.distributions.Categorical(logits=policy(obs).logits)
    else:
        normal = torch.distributions.Normal(policy(obs).mean, policy.head.log_std.exp())
        distribution = torch.distributions.Independent(normal, 1)
    ratio = (distribution.log_prob(action) - batch.log_prob).exp()
    scaled = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
    objective = torch.where(
        scaled >= 0, scaled * ratio.clamp(max=1.2), scaled * ratio.clamp(min=0.8)
    )
    values = critic(obs)
    near = batch.values + (values - batch.values).clamp(-0.05, 0.05)
    far, clipped = (values - batch.returns) ** 2, (near - batch.returns) ** 2
    error = torch.where(far > clipped, far, clipped)
    loss = -objective.mean() + 0.35 * error.mean() - 0.03 * distribution.entropy().mean()
    expected = torch.autograd.grad(loss, [*policy.parameters(), *critic.parameters()])
    ours = [*algorithm.policy.parameters(), *algorithm.critic.parameters()]
    for parameter, gradient in zip(ours, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-4)
    share = ((ratio - 1).abs() > 0.2).float().mean().item()
    assert metrics["clipped"] == pytest.approx(share)
    assert 0.05 < share < 0.95
    assert metrics["kl"] == pytest.approx((ratio - 1 - ratio.log()).mean().item(), rel=1e-3)


@pytest.mark.parametrize("policy", [None, RECURRENT, {**RECURRENT, "cell": "lstm"}])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_the_first_ratio_is_one(
    policy: dict[str, Any] | None,
    mode: AutoresetMode,
    make_agent: MakeAgent,
    vector: Vector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"name": "ppo", "num_steps": 40, "batch_size": 80, "epochs": 2, "learning_rate": 0.01}
    envs, spec = vector(IdentityEnv, 4, mode, 7)
    choices = {} if policy is None else {"policy": policy}
    agent = make_agent(config, envs, spec, normalize_observations=True, **choices)
    agent.iterate()
    agent.iterate()
    seen: list[tuple[Tensor, Tensor]] = []
    surrogate = ppo.clipped_surrogate

    def spy(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
        seen.append((log_ratio.detach(), advantages))
        return surrogate(log_ratio, advantages, clip)

    monkeypatch.setattr(ppo, "clipped_surrogate", spy)
    agent.iterate()
    first, last = seen[0][0], seen[-1][0]
    assert first.abs().max() < 1e-5  # rounding: other batches, other kernels
    assert (first.expm1() - first).mean() < 1e-9
    assert last.abs().max() > 1e-3
    for log_ratio, advantages in seen:
        assert advantages.shape == log_ratio.shape
        assert float(advantages.mean()) == pytest.approx(0.0, abs=1e-5)
        assert float(advantages.std()) == pytest.approx(1.0, abs=1e-4)


def test_value_clipping_by_brute_force(identity_envs: Envs, make_agent: MakeAgent) -> None:
    draw = torch.Generator().manual_seed(0)
    values, before, returns = (
        torch.randn(200, generator=draw, dtype=torch.float64) for _ in range(3)
    )
    for clip in (0.0, 0.3):
        algorithm = ppo_of(make_agent({"name": "ppo", "value_clip": clip}, *identity_envs(True)))
        total = 0.0
        rows = zip(values.tolist(), before.tolist(), returns.tolist(), strict=True)
        for value, old, target in rows:
            error = (value - target) ** 2
            if clip:
                moved = old + min(max(value - old, -clip), clip)
                error = max(error, (moved - target) ** 2)
            total += 0.5 * error
        found = algorithm._value_loss(values, before, returns)
        assert float(found) == pytest.approx(total / 200, rel=1e-12)


@pytest.mark.parametrize("policy", [None, RECURRENT])
def test_minibatches_cover_each_step_once(
    policy: dict[str, Any] | None, identity_envs: Envs, make_agent: MakeAgent
) -> None:
    config = {"name": "ppo", "num_steps": 10, "batch_size": 24, "epochs": 3}
    choices = {} if policy is None else {"policy": policy}
    agent = make_agent(config, *identity_envs(True, 7), **choices)
    algorithm = ppo_of(agent)
    batch = prepared(agent, 10)
    number = torch.arange(70.0).view(batch.log_prob.shape)
    # A minibatch must keep the fields of a step together.
    stamped = dict.fromkeys(("advantages", "returns", "values", "log_prob"), number)
    action = number.to(torch.int64)
    batch = dataclasses.replace(
        batch, **stamped, steps=dataclasses.replace(batch.steps, action=action)
    )
    truth = batch.features
    seen: list[OnPolicyBatch] = []

    def spy(minibatch: OnPolicyBatch, clip: float) -> tuple[Tensor, list[Tensor]]:
        seen.append(minibatch)
        zero = sum((p.sum() for p in algorithm.parameters()), torch.zeros(())) * 0.0
        return zero, [zero.detach()] * 5

    algorithm.loss = spy  # type: ignore[method-assign]
    algorithm.update(batch, agent.interaction)
    sizes = [part.returns.numel() for part in seen]
    assert sizes == ([20, 20, 20, 10] if policy else [24, 24, 22]) * 3
    per_epoch = len(sizes) // 3
    orders = []
    for epoch in range(3):
        parts = seen[epoch * per_epoch : (epoch + 1) * per_epoch]
        steps = torch.cat([part.returns.flatten() for part in parts])
        assert torch.equal(steps.sort().values, torch.arange(70.0))
        orders.append(steps.tolist())
        for part in parts:
            assert torch.equal(part.steps.action.float(), part.returns)
            assert torch.equal(part.advantages, part.returns)
            assert torch.equal(part.values, part.returns)
            assert torch.equal(part.log_prob, part.returns)
            chosen = truth.view(70, -1)[part.returns.flatten().long()]
            assert torch.equal(part.features.reshape(-1, truth.shape[-1]), chosen)
            if policy:  # whole environments: time runs along the first dimension
                assert torch.equal(
                    part.returns[1:] - part.returns[:-1], torch.full_like(part.returns[1:], 7.0)
                )
    assert orders[0] != orders[1] != orders[2]


def test_entropy_without_a_closed_form_has_the_right_gradient() -> None:
    spec = EnvSpec("line", 1, 1, False, (-9.0,), (9.0,))
    torch.manual_seed(0)
    policy = MixturePolicy(spec, components=3, features=())
    critic = critics.build({"name": "value"}, spec, 1)
    algorithm = PPO(Parts(spec, policy, critic, GAE()), entropy_weight=1.0, value_weight=0.0)
    algorithm.double()
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)[:, None]
    features = torch.ones(len(grid), 1, dtype=torch.float64)
    width = 24 / 200_000

    def old_steps(count: int) -> tuple[Tensor, Tensor]:
        """Actions at the quantiles of the policy, and their log-probabilities."""
        with torch.no_grad():
            cumulative = (policy(features).log_prob(grid).exp() * width).cumsum(0)
            wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count
            action = grid[torch.searchsorted(cumulative, wanted).clamp(max=len(grid) - 1)]
            return action, policy(features[:count]).log_prob(action)

    action, log_prob = old_steps(100_000)
    for is_moved in (False, True):
        if is_moved:  # later epochs: the actions are those of the policy as it was
            with torch.no_grad():
                for parameter in policy.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
        density = policy(features).log_prob(grid)
        entropy = -(density.exp() * density).sum() * width
        expected = torch.autograd.grad(entropy, list(policy.parameters()))
        zeros = torch.zeros(len(action), dtype=torch.float64)
        batch = OnPolicyBatch(
            simple_transitions(features[: len(action)], action, features[: len(action)]),
            features[: len(action)],
            zeros,
            zeros,
            zeros,
            log_prob,
            zeros == 0,
        )
        loss, parts = algorithm.loss(batch, 0.2)
        assert float(parts[2]) == pytest.approx(entropy.item(), abs=2e-3)
        found = torch.autograd.grad(-loss, list(policy.parameters()))
        for mine, other in zip(found, expected, strict=True):
            assert other.abs().max() > 0.01
            torch.testing.assert_close(mine, other, rtol=0, atol=3e-3)


@pytest.mark.parametrize("policy", [None, RECURRENT])
def test_dead_transitions_never_reach_the_loss(
    policy: dict[str, Any] | None, make_agent: MakeAgent
) -> None:
    config = {"name": "ppo", "num_steps": 20, "batch_size": 60, "epochs": 2, "value_clip": 0.1}
    choices = {} if policy is None else {"policy": policy}
    weights = []
    for poison in (0.0, 5.0):
        makers = [partial(CountingEnv, 3), partial(CountingEnv, 4, True), partial(CountingEnv, 6)]
        envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
        spec = EnvSpec.of("count", envs.single_observation_space, envs.single_action_space)
        agent = make_agent(config, envs, spec, **choices)
        agent.interaction.begin()
        algorithm = ppo_of(agent)
        rollout = agent.interaction.collect(algorithm.policy, 20)
        dead = ~rollout.valid
        assert 8 <= int(dead.sum()) <= 13
        steps = rollout.steps
        poisoned = Transitions(
            **{
                **vars(steps),
                "reward": steps.reward + poison * dead,
                "obs": steps.obs + poison * dead[..., None],
                "next_obs": steps.next_obs + poison * dead[..., None],
                "action": torch.where(dead & (poison > 0), 1 - steps.action, steps.action),
            }
        )
        batch = algorithm.prepare(rollout, poisoned)
        if policy is None:
            assert len(batch.returns) == int(rollout.valid.sum())
        algorithm.update(batch, agent.interaction)
        weights.append([parameter.detach().clone() for parameter in algorithm.parameters()])
    for clean, other in zip(*weights, strict=True):
        assert torch.equal(clean, other)


def test_rate_and_clip_fall_to_zero(identity_envs: Envs, make_agent: MakeAgent) -> None:
    config = {"name": "ppo", "num_steps": 5, "anneal": True, "epochs": 1}
    agent = make_agent(config, *identity_envs(True))
    agent.interaction.num_iterations = 4
    algorithm = ppo_of(agent)
    loss, seen = algorithm.loss, []

    def spy(batch: OnPolicyBatch, clip: float) -> tuple[Tensor, list[Tensor]]:
        seen.append((algorithm.optimizer.learning_rate, clip))
        return loss(batch, clip)

    algorithm.loss = spy  # type: ignore[method-assign]
    for _ in range(5):
        agent.iterate()
    left = [1.0, 0.75, 0.5, 0.25, 0.0]
    assert [rate for rate, _ in seen] == pytest.approx([3e-4 * part for part in left])
    assert [clip for _, clip in seen] == pytest.approx([0.2 * part for part in left])


def test_max_kl_ends_the_epochs(identity_envs: Envs, make_agent: MakeAgent) -> None:
    steps = {}
    for max_kl in (0.0, 1e-6, 1e-2, 1e9):
        config = {"name": "ppo", "num_steps": 10, "batch_size": 40, "epochs": 15}
        agent = make_agent(
            {**config, "learning_rate": 3e-3, "max_kl": max_kl}, *identity_envs(True)
        )
        agent.iterate()
        steps[max_kl] = agent.gradient_steps
    assert steps[0.0] == steps[1e9] == 30
    assert steps[1e-6] == 2  # the second minibatch already sees a changed policy
    assert 2 < steps[1e-2] < 30
    assert steps[1e-2] % 2 == 0


@pytest.mark.parametrize("divergences", [[0.3, 0.1, 0.0], [0.0, 0.0, 0.25]])
def test_max_kl_is_for_the_whole_epoch(
    divergences: list[float], identity_envs: Envs, make_agent: MakeAgent
) -> None:
    """The last minibatch alone says little: means are 0.133 and 0.083."""
    config = {"name": "ppo", "num_steps": 15, "batch_size": 40, "epochs": 2, "max_kl": 0.1}
    agent = make_agent(config, *identity_envs(True))
    algorithm, known = agent.algorithm, iter(2 * divergences)
    inner = algorithm.loss

    def loss(*arguments: Any) -> Any:
        total, parts = inner(*arguments)
        return total, [*parts[:3], torch.tensor(next(known)), parts[4]]

    algorithm.loss = loss
    agent.iterate()
    assert agent.gradient_steps == (3 if sum(divergences) > 0.3 else 6)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"batch_size": 0}, "batch_size and epochs must be at least 1"),
        ({"clip": 0.0}, "clip positive"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
    ],
)
def test_refuses_wrong_numbers(
    config: dict[str, Any], says: str, identity_envs: Envs, make_agent: MakeAgent
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make_agent({"name": "ppo", **config}, *identity_envs(True))


def test_refuses_parts_that_it_cannot_use() -> None:
    spec = EnvSpec("box", 2, 1, False, (-1.0,), (1.0,))
    policy = policies.build({"name": "gaussian"}, spec)
    value = critics.build({"name": "value"}, spec, 2)
    diffusion = policies.build({"name": "diffusion"}, spec)
    with pytest.raises(ConfigurationError, match="needs a policy with a density"):
        PPO(Parts(spec, diffusion, value, GAE()))
    with pytest.raises(ConfigurationError, match="critic=value"):
        PPO(Parts(spec, policy, critics.build({"name": "twin_q"}, spec, 2), GAE()))
    with pytest.raises(ConfigurationError, match="advantage=gae"):
        PPO(Parts(spec, policy, value))
    with pytest.raises(ConfigurationError, match="gamma must lie between 0 and 1"):
        PPO(Parts(spec, policy, value, GAE(), gamma=1.5))
