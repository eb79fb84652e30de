"""Episodes of many policies at a time equal episodes of each policy alone."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from torch.func import functional_call

from genrl.rl.algorithms.natural_gradient import assign, flat_values
from genrl.rl.algorithms.population import evaluate, stacked_actor
from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import Policy, policies
from genrl.rl.rewards import EnvironmentReward
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec


class Drift(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A point that drifts at random and is pushed by the action; out of [-2, 2] it is over."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, **kwargs: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(**kwargs)
        self.place, self.time = self.np_random.normal(), 0
        return self._seen(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.place += float(action[0]) + 0.3 * self.np_random.normal()
        self.time += 1
        return self._seen(), 1.0 - self.place**2, abs(self.place) > 2, self.time >= 40, {}

    def _seen(self) -> NDArray[np.float32]:
        return np.array([self.place, 1.0], dtype=np.float32)


SPEC = EnvSpec.of("drift", Drift.observation_space, Drift.action_space, 40)


def interaction(
    num_envs: int, mode: AutoresetMode = AutoresetMode.SAME_STEP, memory_size: int = 0
) -> Interaction:
    envs = SyncVectorEnv([Drift] * num_envs, autoreset_mode=mode)
    normalizer = ObservationNormalizer(2, is_active=True)
    normalizer.update(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) + 0.5)
    return Interaction(
        Collector(envs, SPEC, memory_size),
        EnvironmentReward(),
        normalizer,
        RewardScaler(num_envs, 0.9, is_active=False),
        num_iterations=1,
    )


def alone(policy: Policy, vector: torch.Tensor, seed: int, limit: int) -> tuple[float, int]:
    """One episode by gymnasium's own loop."""
    assign(list(policy.parameters()), vector)
    normalizer = interaction(1).normalizer
    env = Drift()
    obs, _ = env.reset(seed=seed)
    memory, start = policy.initial_memory(1), torch.ones(1, dtype=torch.bool)
    total, length, done = 0.0, 0, False
    while not done and length < limit:
        with torch.no_grad():
            seen = normalizer(torch.from_numpy(obs)[None])
            action, memory = policy.act(seen, start, memory, deterministic=True)
        start = torch.zeros(1, dtype=torch.bool)
        clipped = action[0].numpy().clip(-1, 1)
        obs, reward, terminated, truncated, _ = env.step(clipped)
        total, length, done = total + reward, length + 1, terminated or truncated
    return total, length


@pytest.mark.parametrize("name", ["deterministic", "gaussian", "tanh_gaussian", "recurrent"])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize(("num_envs", "limit"), [(4, 40), (3, 40), (10, 40), (1, 40), (4, 25)])
def test_equals_one_after_another(
    name: str, mode: AutoresetMode, num_envs: int, limit: int
) -> None:
    torch.manual_seed(0)
    small = {"memory": 5} if name == "recurrent" else {}
    policy = policies.build({"name": name, "features": [4], **small}, SPEC)
    center = flat_values(list(policy.parameters()))
    vectors = center + 0.7 * torch.randn(6, len(center))
    seeds = [7, 7, 8, 9, 10, 10]
    together = interaction(num_envs, mode, policy.memory_size)
    rollouts = evaluate(policy, vectors, seeds, together, limit)
    totals = torch.cat([(r.steps.reward.double() * r.valid).sum(0) for r in rollouts])[:6]
    lengths = torch.cat([r.valid.sum(0) for r in rollouts])
    assert bool((lengths[6:] == 0).all())
    singles = [alone(policy, v, s, limit) for v, s in zip(vectors, seeds, strict=True)]
    assert lengths[:6].tolist() == [length for _, length in singles]
    assert len(set(lengths[:6].tolist())) > 1
    np.testing.assert_allclose(totals, [total for total, _ in singles], rtol=1e-4, atol=1e-4)
    assert together.env_steps == lengths.sum()
    episodes = [(e.total, e.length) for e in together.episodes]
    np.testing.assert_allclose(episodes, singles, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["categorical", "recurrent"])
def test_discrete_actions(name: str) -> None:
    torch.manual_seed(0)
    spec = EnvSpec("test", 2, 5, True)
    policy = policies.build({"name": name, "features": [8]}, spec)
    center = flat_values(list(policy.parameters()))
    vectors = center + torch.randn(20, len(center))
    obs, start = torch.randn(20, 2), torch.zeros(20, dtype=torch.bool)
    memory = torch.randn(20, policy.memory_size)
    actor = stacked_actor(policy, vectors, interaction(1))
    actions, memories = actor(obs, start, memory)
    assert actions.dtype == torch.int64
    assert len(set(actions.tolist())) > 2
    seen = interaction(1).normalizer(obs)
    for i in range(20):
        assign(list(policy.parameters()), vectors[i])
        row = slice(i, i + 1)
        action, following = policy.act(seen[row], start[row], memory[row], deterministic=True)
        assert actions[i] == action[0]
        torch.testing.assert_close(memories[i], following[0])


def test_weights_without_gradient_stay() -> None:
    torch.manual_seed(0)
    policy = policies.build({"name": "deterministic", "features": []}, SPEC)
    weight, bias = policy.parameters()
    bias.requires_grad_(False)
    obs, start = torch.ones(3, 2), torch.zeros(3, dtype=torch.bool)
    vectors = torch.randn(3, weight.numel())
    interacting = interaction(1)
    actions, _ = stacked_actor(policy, vectors, interacting)(obs, start, torch.zeros(3, 0))
    (name, _), _ = policy.named_parameters()
    for i in range(3):
        weights = {name: vectors[i].view_as(weight)}
        expected = functional_call(policy, weights, interacting.normalizer(obs[:1])).mode
        torch.testing.assert_close(actions[i], expected[0])
