"""n-step windows against loops over lists and against stable-baselines3."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import NStepReplayBuffer as PeerBuffer

from genrl.registry import ConfigurationError
from genrl.rl.buffers import NStepBuffer, PrioritizedBuffer, ReplayBuffer, buffers
from genrl.rl.transitions import Transitions, simple_transitions

GAMMA = 0.83


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def window(steps: list[dict[str, float]], begin: int, num_steps: int) -> dict[str, float]:
    """By the definition: one step after the other until something ends."""
    total, discount = 0.0, 1.0
    for k in range(begin, min(begin + num_steps, len(steps))):
        total += discount * steps[k]["reward"]
        discount *= GAMMA
        last = steps[k]
        if last["terminated"]:
            discount = 0.0
            break
        if last["truncated"] or (k + 1 < len(steps) and steps[k + 1]["start"]):
            break
    return {"reward": total, "discount": discount, "next_obs": last["next_obs"]} | {
        key: last[key] for key in ("terminated", "truncated")
    }


@pytest.mark.parametrize("num_steps", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", [NStepBuffer, PrioritizedBuffer])
@pytest.mark.parametrize("trial", range(3))
def test_windows_are_the_loop(
    num_steps: int,
    kind: Callable[..., NStepBuffer | PrioritizedBuffer],
    trial: int,
    played: Callable[..., Any],
    folder: str | None,
) -> None:
    buffer = kind(steps=num_steps, capacity=45, folder=folder, margin=6)
    play = played(1 + trial % 3, trial, gaps=0.2 * (trial % 2))
    for _ in range(5):
        play.add(buffer, 13)
        sample = buffer.sample(300, GAMMA, seeded(trial))
        kept = [steps[-(45 // play.num_envs) :] for steps in play.lists]
        places = {step["obs"]: (e, i) for e, each in enumerate(kept) for i, step in enumerate(each)}
        for j, obs in enumerate(sample.steps.obs[:, 0].tolist()):
            env, i = places[obs]
            expected = window(kept[env], i, num_steps)
            assert float(sample.steps.reward[j]) == pytest.approx(expected["reward"], abs=1e-6)
            assert float(sample.discount[j]) == pytest.approx(expected["discount"], abs=1e-6)
            assert float(sample.steps.next_obs[j, 0]) == expected["next_obs"]
            assert bool(sample.steps.terminated[j]) == expected["terminated"]
            if num_steps > 1:
                assert bool(sample.steps.truncated[j]) == expected["truncated"]
            first = kept[env][i]
            assert bool(sample.steps.start[j]) == first["start"]
            assert float(sample.steps.action[j, 0]) == first["action"]
            assert float(sample.steps.memory[j, 0]) == first["memory"]


def test_one_step_is_plain_replay(played: Callable[..., Any]) -> None:
    plain, one = ReplayBuffer(capacity=20), NStepBuffer(steps=1, capacity=20)
    steps, valid = played(2).steps(15)
    plain.add(steps, valid)
    one.add(steps, valid)
    a, b = (buffer.sample(64, GAMMA, seeded(0)) for buffer in (plain, one))
    assert torch.equal(a.discount, b.discount)
    assert all(torch.equal(x, vars(b.steps)[key]) for key, x in vars(a.steps).items())


def test_rewards_are_relabelled_before_the_sum(played: Callable[..., Any]) -> None:
    buffer, play = NStepBuffer(steps=3, capacity=20), played(1)
    play.add(buffer, 20)
    sample = buffer.sample(100, GAMMA, seeded(0), lambda steps: steps.obs[:, 0] ** 2)
    squared = [{**step, "reward": step["obs"] ** 2} for step in play.lists[0]]
    for obs, reward in zip(sample.steps.obs[:, 0].tolist(), sample.steps.reward, strict=True):
        expected = window(squared, int(obs), 3)["reward"]
        assert float(reward) == pytest.approx(expected, rel=1e-6)


def test_what_lies_behind_the_end_does_not_matter() -> None:
    # A learned reward that is NaN in the next episode must not reach this one.
    buffer = NStepBuffer(steps=3, capacity=4)
    obs = torch.arange(4.0).view(4, 1, 1)
    ends = torch.tensor([[False], [True], [False], [False]])
    steps = simple_transitions(obs, obs, obs + 0.5, truncated=ends)
    buffer.add(steps, torch.ones(4, 1, dtype=torch.bool))
    sample = buffer.sample(
        100, GAMMA, seeded(0), lambda s: torch.where(s.obs[:, 0] < 2, 1.0, float("nan"))
    )
    early = sample.steps.obs[:, 0] < 2
    assert sample.steps.reward[early].isfinite().all()
    assert sample.steps.reward[~early].isnan().all()


def test_truncation_bootstraps_from_the_real_last_observation() -> None:
    # r = 1 in a ring that is truncated every 8 steps: V = 1 / (1 - γ) = 50, and not 7.46.
    buffer = NStepBuffer(steps=5, capacity=64)
    state = (torch.arange(64) % 4).view(64, 1, 1).float()
    truncated = (torch.arange(64) % 8 == 7).view(64, 1)
    steps = simple_transitions(
        state, state, (state + 1) % 4, reward=torch.ones(64, 1), truncated=truncated
    )
    buffer.add(steps, torch.ones(64, 1, dtype=torch.bool))
    values = torch.zeros(4, dtype=torch.float64)
    generator = seeded(0)
    for _ in range(120):
        sample = buffer.sample(64, 0.98, generator)
        target = sample.steps.reward + sample.discount * values[sample.steps.next_obs[:, 0].long()]
        for s in range(4):
            values[s] = target[sample.steps.obs[:, 0] == s].mean()
    torch.testing.assert_close(values, torch.full((4,), 50.0).double(), rtol=0, atol=0.01)


@pytest.mark.parametrize("num_steps", [1, 3, 5])
def test_equals_stable_baselines(num_steps: int, played: Callable[..., Any]) -> None:
    box = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    peer = PeerBuffer(
        30, box, gymnasium.spaces.Box(-1, 1, (2,), np.float32), device="cpu",
        n_steps=num_steps, gamma=GAMMA,
    )  # fmt: skip
    buffer, play = NStepBuffer(steps=num_steps, capacity=30), played(1)
    for _ in range(47):
        steps, valid = play.steps(1)
        fields = vars(steps)
        steps = Transitions(
            **{
                **fields,
                "truncated": steps.truncated & ~steps.terminated,
                "start": torch.zeros_like(steps.start),
            }
        )
        buffer.add(steps, valid)
        peer.add(
            steps.obs[0].numpy(), steps.next_obs[0].numpy(), steps.action[0].numpy(),
            steps.reward[0].numpy(), steps.done[0].numpy(),
            [{"TimeLimit.truncated": bool(steps.truncated)}],
        )  # fmt: skip
    sample = buffer.sample(300, GAMMA, seeded(0))
    theirs = peer._get_samples(sample.index.numpy())
    assert torch.equal(sample.steps.next_obs, theirs.next_observations)
    torch.testing.assert_close(sample.steps.reward, theirs.rewards[:, 0], rtol=0, atol=1e-6)
    discount = theirs.discounts[:, 0] * (1 - theirs.dones[:, 0])
    torch.testing.assert_close(sample.discount, discount, rtol=0, atol=1e-6)


def test_wrong_numbers_are_refused(played: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="steps must be at least 1"):
        buffers.build({"name": "n_step", "steps": 0})
    buffer = NStepBuffer(steps=3, capacity=30)
    played(1).add(buffer, 20)
    with pytest.raises(ValueError, match="buffer=replay"):
        buffer.sample(4, GAMMA, seeded(0), None, 8)
