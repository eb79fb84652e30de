"""The conformance test passes what is right and finds what is wrong."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from genrl.rl.rollout import Collector, Rollout
from genrl.rl.spec import EnvSpec
from genrl.testing import (
    ConformanceError,
    CountingEnv,
    check_autoreset,
    check_rollout,
    counting_makers,
)

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_gymnasium_conforms(kind: type[VectorEnv], mode: AutoresetMode) -> None:
    check_autoreset(lambda makers: kind(makers, autoreset_mode=mode))  # type: ignore[call-arg]


def test_the_figures_of_both_modes() -> None:
    seen: dict[AutoresetMode, list[Any]] = {}
    for mode in MODES:
        envs = SyncVectorEnv([CountingEnv], autoreset_mode=mode)
        envs.reset(seed=0)
        seen[mode] = []
        for _ in range(4):
            obs, reward, _, truncated, info = envs.step(np.zeros(1, np.int64))
            final = info["final_obs"][0][0] if "final_obs" in info else None
            seen[mode].append((obs[0, 0], reward[0], bool(truncated[0]), final))
    assert seen[AutoresetMode.NEXT_STEP][2:] == [(3.0, 1.0, True, None), (100.0, 0.0, False, None)]
    assert seen[AutoresetMode.SAME_STEP][2:] == [(100.0, 1.0, True, 3.0), (101.0, 1.0, False, None)]


class Broken(SyncVectorEnv):
    """A vector environment with one mistake."""

    def __init__(self, makers: Sequence[Any], mode: AutoresetMode, mistake: str) -> None:
        super().__init__(makers, autoreset_mode=mode)
        self.mistake = mistake
        if mistake == "undeclared":
            self.metadata = {}
        if mistake == "declared wrongly":
            other = MODES[1 - MODES.index(mode)]
            self.metadata = {**self.metadata, "autoreset_mode": other}

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        if self.mistake == "one seed for all" and seed is not None:
            seed = [seed[0]] * self.num_envs
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        was_over = self._autoreset_envs.copy()
        obs, reward, terminated, truncated, info = super().step(actions)
        if self.mistake == "one done":
            terminated = truncated = terminated | truncated
        if self.mistake == "swapped":
            terminated, truncated = truncated, terminated
        if self.mistake == "no final observation":
            info.pop("final_obs", None)
        if self.mistake == "final observation of the next episode" and "final_obs" in info:
            info["final_obs"] = obs
        if self.mistake == "reward of the reset":
            reward = reward + was_over
        return obs, reward, terminated, truncated, info


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("undeclared", "autoreset_mode"),
        ("declared wrongly", "observation"),
        ("one seed for all", "environment 1: observation"),
        ("one done", "terminated|truncated"),
        ("swapped", "terminated"),
        ("no final observation", r'info\["final_obs"\] is missing'),
        ("final observation of the next episode", r'info\["final_obs"\] is'),
        ("reward of the reset", "reward"),
    ],
)
def test_mistakes_are_found(mistake: str, message: str, mode: AutoresetMode) -> None:
    if "final" in mistake and mode is AutoresetMode.NEXT_STEP:
        pytest.skip("NEXT_STEP has no final observation")
    with pytest.raises(ConformanceError, match=message):
        check_autoreset(lambda makers: Broken(makers, mode, mistake))


def collected(mode: AutoresetMode, num_steps: int = 40) -> Rollout:
    envs = SyncVectorEnv(counting_makers(), autoreset_mode=mode)
    spec = EnvSpec.of("counting", envs.single_observation_space, envs.single_action_space)
    collector = Collector(envs, spec)
    parts = [
        collector.collect(
            lambda obs, start, memory: (torch.zeros(len(obs), dtype=torch.long), memory), count
        )
        for count in (7, num_steps - 7)
    ]
    steps = type(parts[0].steps).cat([part.steps for part in parts])
    valid = torch.cat([part.valid for part in parts])
    return Rollout(steps, valid, [episode for part in parts for episode in part.episodes])


@pytest.mark.parametrize("mode", MODES)
def test_the_collector_yields_real_transitions_only(mode: AutoresetMode) -> None:
    rollout = collected(mode)
    check_rollout(rollout)
    lengths = {3: 0, 2: 0, 5: 0, 1: 0, 4: 0}
    for episode in rollout.episodes:
        assert episode.total == episode.length
        lengths[episode.length] += 1
    # An episode of n steps takes n + 1 where the reset has a step of its own.
    more = 0 if mode is AutoresetMode.SAME_STEP else 1
    assert lengths == {n: (40 + more) // (n + more) for n in lengths}
    assert rollout.num_steps == 200 - int((~rollout.valid).sum())
    assert bool(rollout.valid.all()) is (mode is AutoresetMode.SAME_STEP)


def test_a_dead_transition_is_found() -> None:
    rollout = collected(AutoresetMode.NEXT_STEP)
    with pytest.raises(ConformanceError):
        check_rollout(dataclasses.replace(rollout, valid=torch.ones_like(rollout.valid)))


def test_a_lost_last_observation_is_found() -> None:
    rollout = collected(AutoresetMode.SAME_STEP)
    steps = rollout.steps
    lost = torch.where(steps.done[:-1, :, None], steps.obs[1:], steps.next_obs[:-1])
    lost = torch.cat([lost, steps.next_obs[-1:]])
    with pytest.raises(ConformanceError, match="count after"):
        check_rollout(dataclasses.replace(rollout, steps=dataclasses.replace(steps, next_obs=lost)))


@pytest.mark.parametrize("mode", MODES)
def test_one_flag_for_both_ends_is_found(mode: AutoresetMode) -> None:
    rollout = collected(mode)
    steps = rollout.steps
    joined = dataclasses.replace(steps, terminated=steps.done)
    with pytest.raises(ConformanceError, match="terminated"):
        check_rollout(dataclasses.replace(rollout, steps=joined))


def test_the_length_is_checked() -> None:
    with pytest.raises(ValueError, match="length must be from 1 to 99, not 0"):
        CountingEnv(0)
