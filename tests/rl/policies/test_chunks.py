"""Diffusion and flow policies: two ways of acting, execution of chunks, masks, scale."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.policies import DiffusionPolicy, FlowPolicy, policies
from genrl.rl.policies.chunks import ChunkPolicy
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("Chunks-v0", 2, 1, low=(-1.0,), high=(3.0,))
UNBOUNDED = EnvSpec("Free-v0", 2, 1, low=(-float("inf"),), high=(float("inf"),))
SMALL = {"features": 16, "num_layers": 1, "num_steps": 2}
NAMES = ["diffusion", "flow"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, spec: EnvSpec = SPEC, **parameters: Any) -> ChunkPolicy:
    torch.manual_seed(0)
    policy = policies.build({"name": name, **SMALL, **parameters}, spec)
    assert isinstance(policy, ChunkPolicy)
    return policy


def train(policy: ChunkPolicy, updates: int, batch: int = 128) -> None:
    """Demonstrations of either all 1 + s or all 1 - s, half and half, with s in [0.5, 1.5]."""
    random = generator(1)
    weights = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(weights)
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - update / updates)
        obs = 2 * torch.rand(batch, policy.window, 2, generator=random) - 1
        sign = 2.0 * torch.randint(2, (batch, 1, 1), generator=random) - 1
        action = (1 + sign * (1 + 0.5 * obs[:, :1, :1])).expand(-1, policy.window, -1)
        valid = torch.ones(batch, policy.window, dtype=torch.bool)
        loss = policy.cloning_loss(obs, action, valid, random).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        policy.after_update()


@pytest.mark.parametrize("name", NAMES)
def test_two_ways_of_acting_are_kept_apart(name: str) -> None:
    shape = {"horizon": 4, "action_steps": 2, "obs_steps": 1, "average": 0.98}
    policy = build(name, features=64, num_layers=1, num_steps=12, **shape)
    train(policy, 700)
    obs = 2 * torch.rand(1000, 2, generator=generator(2)) - 1
    chunk = policy.plan(obs, generator(3))[..., 0] - 1  # their mean, which is no demonstration
    wanted = 1 + 0.5 * obs[:, :1]
    assert 0.42 < float((chunk[:, 0] > 0).float().mean()) < 0.58
    assert float((chunk.abs() - wanted).abs().mean()) < 0.12
    assert float((chunk.abs() < 0.25).float().mean()) < 0.05
    assert float((chunk.sign() == chunk[:, :1].sign()).float().mean()) > 0.97


class Planner:
    """In place of a model: the plan says its number, its step and the observations it saw."""

    def __init__(self, policy: ChunkPolicy) -> None:
        self.horizon, self.count = policy.chunking.horizon, 0

    def __call__(self, history: Tensor, random: Any, *, deterministic: bool = False) -> Tensor:
        self.count += 1
        total = history @ (10.0 ** torch.arange(history.shape[1], dtype=torch.float32))
        return total[:, None, None] + 0.01 * torch.arange(self.horizon)[None, :, None]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("obs_steps", "action_steps"), [(1, 1), (2, 3), (3, 1), (2, 4)])
def test_execution_of_chunks(
    name: str, obs_steps: int, action_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = build(name, horizon=4, action_steps=action_steps, obs_steps=obs_steps)
    planner = Planner(policy)
    monkeypatch.setattr(policy, "plan", planner)
    random, num_envs = generator(5), 3
    powers = 10.0 ** torch.arange(2 * obs_steps, dtype=torch.float32)
    memory = policy.initial_memory(num_envs)
    seen: list[list[Tensor]] = [[] for _ in range(num_envs)]
    queue: list[list[float]] = [[] for _ in range(num_envs)]
    start = torch.ones(num_envs, dtype=torch.bool)
    for _ in range(40):
        obs = torch.randint(10, (num_envs, 2), generator=random).float()
        action, memory = policy.act(obs, start, memory, generator=random)
        assert memory.shape == (num_envs, policy.memory_size)
        for env in range(num_envs):
            if start[env]:
                seen[env], queue[env] = [], []
            seen[env].append(obs[env])
            if not queue[env]:
                padded = [seen[env][0]] * obs_steps + seen[env]
                total = float(torch.cat(padded[-obs_steps:]) @ powers)
                queue[env] = [total + 0.01 * k for k in range(action_steps)]
            assert float(action[env]) == pytest.approx(queue[env].pop(0), rel=1e-6)
        start = torch.rand(num_envs, generator=random) < 0.15
    assert planner.count <= 40


@pytest.mark.parametrize("name", NAMES)
def test_environments_do_not_see_each_other(name: str) -> None:
    policy = build(name, horizon=4, action_steps=3)
    obs, start = torch.randn(5, 2, generator=generator()), torch.ones(5, dtype=torch.bool)
    together, _ = policy.act(obs, start, policy.initial_memory(5), deterministic=True)
    for env in range(5):
        one = slice(env, env + 1)
        alone, _ = policy.act(obs[one], start[one], policy.initial_memory(1), deterministic=True)
        torch.testing.assert_close(alone, together[one], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_deterministic_plans_repeat_and_others_follow_the_generator(name: str) -> None:
    policy, obs = build(name), torch.randn(4, 4, generator=generator())
    torch.testing.assert_close(
        policy.plan(obs, generator(1), deterministic=True),
        policy.plan(obs, generator(2), deterministic=True),
        rtol=0,
        atol=0,
    )
    assert torch.equal(policy.plan(obs, generator(1)), policy.plan(obs, generator(1)))
    assert not torch.equal(policy.plan(obs, generator(1)), policy.plan(obs, generator(2)))


@pytest.mark.parametrize("name", NAMES)
def test_plans_stay_within_the_bounds(name: str) -> None:
    policy = build(name)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, generator=generator(), std=1.0)
    plan = policy.plan(torch.randn(200, 4, generator=generator()), generator())
    assert float(plan.min()) == -1.0
    assert float(plan.max()) == 3.0
    free = build(name, UNBOUNDED)
    assert torch.equal(free.scaled(torch.tensor([7.0])), torch.tensor([7.0]))


def test_actions_are_scaled_to_one() -> None:
    policy = build("diffusion")
    ends = policy.scaled(torch.tensor([[-1.0], [1.0], [3.0]]))
    torch.testing.assert_close(ends, torch.tensor([[-1.0], [0.0], [1.0]]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_looks_at_valid_steps_and_past_observations_alone(name: str) -> None:
    policy = build(name, horizon=4, action_steps=2, obs_steps=3, average=0.0)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, generator=generator(), std=0.3)
    batch, window = 6, policy.window
    assert (window, policy.window_before) == (6, 2)
    obs = torch.randn(batch, window, 2, generator=generator(1))
    action = torch.rand(batch, window, 1, generator=generator(2))
    valid = torch.ones(batch, window, dtype=torch.bool)
    valid[0, 4:] = False

    def loss(obs: Tensor, action: Tensor, valid: Tensor) -> Tensor:
        return policy.cloning_loss(obs, action, valid, generator(3)).detach()

    reference = loss(obs, action, valid)
    assert reference.shape == (batch,)
    later, before = obs.clone(), action.clone()
    later[:, 3:] += 1
    before[:, :2] += 1
    torch.testing.assert_close(loss(later, before, valid), reference, rtol=0, atol=0)
    for step in range(3):
        other = obs.clone()
        other[:, step] += 1
        assert bool((loss(other, action, valid) != reference).all())
    # The mean over valid steps, written out for the window that has some.
    seen = {}

    class Zero(torch.nn.Module):
        def forward(self, z: Tensor, t: Tensor, **given: Any) -> Any:
            seen["t"] = t
            return type("Prediction", (), {"x": torch.zeros_like(z)})()

    zero = Zero()
    zero.schedule = policy.denoiser.schedule
    policy.denoiser = zero  # type: ignore[assignment]
    scaled = policy.scaled(action)[..., 0]
    expected = torch.stack([scaled[k, 2 : (4 if k == 0 else 6)].square().mean() for k in range(6)])
    actual = loss(obs, action, valid) / policy.weighting(seen["t"])
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_error_of_v_and_of_the_velocity() -> None:
    valid = torch.ones(64, 4, dtype=torch.bool)
    obs, action = torch.zeros(64, 4, 2), torch.ones(64, 4, 1)  # scaled to 0: v = α ε, u = ε
    for name in NAMES:
        policy = build(name, horizon=4, action_steps=2, obs_steps=1, average=0.0)
        schedule = policy.denoiser.schedule
        t = policy.time_sampler.sample(64, random := generator(3))
        noise = torch.randn(64, 4, 1, generator=random)
        alpha = schedule.level(t).alpha[:, None, None] if name == "diffusion" else 1.0
        expected = (alpha * noise).square().mean((1, 2))  # the network's output starts at 0
        actual = policy.cloning_loss(obs, action, valid, generator(3)).detach()
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_the_average_acts_and_is_not_trained() -> None:
    policy = build("diffusion", average=0.9)
    assert policy.average is not None
    first = [p.clone() for p in policy.average.parameters()]
    with torch.no_grad():
        for parameter in policy.denoiser.parameters():
            parameter.add_(1.0)
    policy.after_update()
    rate = 1 - 2 / 11
    for before, after in zip(first, policy.average.parameters(), strict=True):
        torch.testing.assert_close(after, before + rate, rtol=1e-5, atol=1e-5)
        assert not after.requires_grad
    assert policy.acting is policy.average.module
    without = build("diffusion", average=0.0)
    assert without.acting is without.denoiser


def test_components_of_the_diffusion_policy_are_exchanged_by_name() -> None:
    policy = build("diffusion", schedule="vdm_linear", parameterization="eps", sampler="heun")
    assert isinstance(policy, DiffusionPolicy)
    assert type(policy.denoiser.schedule).__name__ == "VdmLinearSchedule"
    assert type(policy.sampler).__name__ == "HeunSampler"
    with pytest.raises(ConfigurationError, match="Did you mean 'cosine'"):
        build("diffusion", schedule="cosin")
    flow = build("flow")
    assert isinstance(flow, FlowPolicy)
    assert type(flow.denoiser.parameterization).__name__ == "FlowVelocityParameterization"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"horizon": 4, "action_steps": 5}, "at most horizon"),
        ({"obs_steps": 0}, "obs_steps"),
        ({"average": 1.0}, "decay of an average"),
        ({"num_steps": 0}, "steps"),
    ],
)
def test_wrong_parameters_are_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(name, **parameters)


@pytest.mark.parametrize("name", NAMES)
def test_discrete_actions_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="policy=categorical"):
        build(name, EnvSpec("Discrete-v0", 2, 3, is_discrete=True))
