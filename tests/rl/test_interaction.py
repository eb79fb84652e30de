"""The order of things within an iteration, and the random numbers of each."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from genrl.rl.interaction import Interaction
from genrl.rl.normalization import ObservationNormalizer, RewardScaler
from genrl.rl.policies import CategoricalPolicy
from genrl.rl.rewards import EnvironmentReward, Metrics
from genrl.rl.rollout import Collector
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions
from genrl.testing.counting import CountingEnv


class Source(EnvironmentReward):
    """Pays 2, and after each lesson 10 more; writes down what happens."""

    def __init__(self) -> None:
        self.paid, self.log = 2.0, [""]
        self.seen: list[Transitions] = []

    def reward(self, steps: Transitions) -> Tensor:
        self.log.append("reward")
        return torch.full(steps.shape, self.paid)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        self.log.append("update")
        self.seen.append(fresh)
        self.paid += 10.0
        return {"lesson": self.paid}


def interaction(
    seed: int = 0,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    reward: Any = None,
    normalize: bool = False,
    scale: bool = False,
) -> Interaction:
    """In two counting environments."""
    makers = [lambda: CountingEnv(3), lambda: CountingEnv(4, True)]
    envs = SyncVectorEnv(makers, autoreset_mode=mode)
    spec = EnvSpec.of("count", envs.single_observation_space, envs.single_action_space)
    return Interaction(
        Collector(envs, spec),
        reward or EnvironmentReward(),
        ObservationNormalizer(2, is_active=normalize),
        RewardScaler(2, 0.9, is_active=scale),
        num_iterations=4,
        seed=seed,
    )


def policy() -> CategoricalPolicy:
    """Nearly uniform."""
    torch.manual_seed(0)
    return CategoricalPolicy(EnvSpec("count", 2, 2, True))


def test_random_numbers_are_a_function_of_seed_and_iteration() -> None:
    def numbers(seed: int, iteration: int, drawn_before: int) -> list[float]:
        it = interaction(seed)
        torch.rand(drawn_before, generator=it.generator)
        it.iteration = iteration
        it.begin()
        torch.manual_seed(drawn_before)  # the global generator plays no part
        actions = it.collect(policy(), 20).steps.action.flatten().tolist()
        return [*actions, *torch.rand(3, generator=it.generator).tolist()]

    assert numbers(3, 5, 0) == numbers(3, 5, 77)
    results = [numbers(seed, iteration, 0) for seed in (3, 4) for iteration in (5, 6)]
    for first in range(4):
        for second in range(first):
            assert results[first] != results[second]


def test_counters_and_progress() -> None:
    it = interaction()
    seen = []
    for _ in range(5):
        it.begin()
        it.collect(policy(), 9)
        seen.append(it.progress)
        it.finish()
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0]
    # In 45 steps, of which every 4th and every 5th is a dead one.
    assert it.env_steps == 45 - 11 + 45 - 9


def test_finished_episodes_of_this_iteration_are_reported() -> None:
    it = interaction()
    it.begin()
    it.collect(policy(), 2)
    assert it.finish() == {}
    it.begin()
    it.collect(policy(), 1)
    it.collect(policy(), 1)
    assert it.finish() == {"episode_return": 3.5, "episode_length": 3.5}


@pytest.mark.parametrize("scale", [False, True])
def test_the_reward_learns_once_from_valid_steps_before_it_pays(scale: bool) -> None:
    source = Source()
    it = interaction(reward=source, scale=scale)
    it.begin()
    rollout = it.collect(policy(), 9)
    before = rollout.steps.reward.clone()
    metrics = it.learn_reward()
    relabelled = it.relabel(rollout.steps)
    assert metrics["lesson"] == 12.0
    # Collected first, then learned, then paid, and not asked twice for the same steps.
    assert source.log == ["", "update", "reward"]
    it.relabel(it.collect(policy(), 3).steps)
    assert source.log == ["", "update", "reward", "reward"]
    assert len(source.seen[0]) == int(rollout.valid.sum())
    assert torch.equal(rollout.steps.reward, before)
    expected = torch.full((9, 2), 12.0)
    if scale:
        returns = []
        for env in range(2):
            running = 0.0
            for row in rollout.valid[:, env].tolist():
                if row:
                    running = 0.9 * running + 12.0
                    returns.append(running)
                else:
                    running = 0.0
        expected = (expected / np.std(returns)).float().clamp(-10, 10)
    torch.testing.assert_close(relabelled.reward, expected)


class SelfLoops(Source):
    """An end is worth a hundred steps, as an absorbing state is at γ = 0.99."""

    def settle(self, steps: Transitions) -> Transitions:
        return replace(steps, reward=torch.where(steps.done, 100 * steps.reward, steps.reward))


def test_rewards_are_scaled_by_returns_with_what_an_absorbing_state_is_worth() -> None:
    it = interaction(reward=SelfLoops(), mode=AutoresetMode.SAME_STEP, scale=True)
    it.begin()
    steps = it.collect(policy(), 60).steps
    it.learn_reward()
    returns = []
    for env in range(2):
        running = 0.0
        for ended in steps.done[:, env].tolist():
            running = 0.9 * running + (1200.0 if ended else 12.0)
            returns.append(running)
            running = 0.0 if ended else running
    assert float(it.scaler.moments.std) == pytest.approx(np.std(returns))
    # What a value function has to learn is of order 1, whatever ends are worth.
    assert 1 < float(it.relabel(steps).reward.max()) < 5


def test_nothing_is_learned_from_nothing() -> None:
    source = Source()
    it = interaction(reward=source)
    it.begin()
    assert it.learn_reward() == {}
    assert source.seen == []


def test_statistics_stand_still_within_an_iteration_and_know_no_dead_step() -> None:
    it = interaction(normalize=True)
    it.begin()
    first = it.collect(policy(), 9)
    assert torch.equal(it.normalizer.shift, torch.zeros(2))
    second = it.collect(policy(), 4)
    it.learn_reward()
    relabelled = it.relabel(second.steps)
    torch.testing.assert_close(relabelled.obs, second.steps.obs.clamp(-10, 10))
    it.finish()
    valid = torch.cat([part.steps.obs[part.valid] for part in (first, second)]).double()
    torch.testing.assert_close(it.normalizer.moments.mean, valid.mean(0))
    torch.testing.assert_close(it.normalizer.shift, valid.mean(0).float())
    torch.testing.assert_close(it.normalizer.scale, 1 / valid.std(0, correction=0).float())
    shift = it.normalizer.shift.clone()
    it.begin()
    it.collect(policy(), 9)
    it.relabel(second.steps)
    assert torch.equal(it.normalizer.shift, shift)


def test_the_policy_sees_normalized_observations_and_the_record_raw_ones() -> None:
    it, inner = interaction(normalize=True), policy()
    seen: list[Tensor] = []
    act = inner.act

    def spy(obs: Tensor, *rest: Any, **more: Any) -> Any:
        seen.append(obs)
        return act(obs, *rest, **more)

    inner.act = spy  # type: ignore[method-assign]
    it.begin()
    it.collect(inner, 9)
    it.finish()
    seen.clear()
    it.begin()
    rollout = it.collect(inner, 9)
    raw = (rollout.steps.obs - it.normalizer.shift) * it.normalizer.scale
    torch.testing.assert_close(torch.stack(seen), raw.clamp(-10, 10))
    assert rollout.steps.obs[:, :, 0].max() > 100


@pytest.mark.parametrize("bound", [3.0, np.inf])
def test_random_actions(bound: float) -> None:
    it = interaction()
    spec = EnvSpec("box", 2, 2, False, (-1.0, -bound), (0.0, bound))
    it.collector.spec = spec
    kept: list[Tensor] = []

    def collect(act: Any, num_steps: int) -> Any:
        for _ in range(num_steps):
            kept.append(act(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 0))[0])
        raise StopIteration

    it.collector.collect = collect  # type: ignore[method-assign]
    it.begin()
    with pytest.raises(StopIteration):
        it.collect_random(5000)
    action = torch.cat(kept)
    assert action[:, 0].min() >= -1.0
    assert action[:, 0].max() <= 0.0
    if np.isfinite(bound):
        assert action.mean(0).tolist() == pytest.approx([-0.5, 0.0], abs=0.06)
        assert action.std(0).tolist() == pytest.approx([1 / 12**0.5, 6 / 12**0.5], rel=0.03)
    else:
        assert float(action[:, 1].std()) == pytest.approx(1.0, rel=0.03)


def test_random_discrete_actions_are_uniform() -> None:
    it = interaction()
    it.begin()
    action = it.collect_random(2000).steps.action
    assert action.dtype == torch.int64
    assert float(action.float().mean()) == pytest.approx(0.5, abs=0.03)
