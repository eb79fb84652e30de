"""Uniform replay against plain lists: what is kept, what is drawn and how often, restarts."""

import io
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import scipy.stats
import torch
from stable_baselines3.common.buffers import ReplayBuffer as PeerBuffer

from genrl.registry import ConfigurationError
from genrl.rl.buffers import ReplayBuffer, Sample, buffers
from genrl.rl.transitions import Transitions, simple_transitions


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def equal(a: Sample, b: Sample) -> bool:
    fields = [(x, vars(b.steps)[key]) for key, x in vars(a.steps).items()]
    fields += [(a.discount, b.discount), (a.weight, b.weight), (a.index, b.index)]
    return all(torch.equal(x, y) for x, y in fields)


@pytest.mark.parametrize("trial", range(12))
def test_draws_exactly_the_last_steps_and_their_sequences(
    trial: int, played: Callable[..., Any], folder: str | None
) -> None:
    rng = np.random.default_rng(trial)
    num_envs = 1 + trial % 3
    capacity = int(rng.integers(num_envs, 31))
    margin = int(rng.integers(0, 20))
    buffer = ReplayBuffer(capacity=capacity, folder=folder, margin=margin)
    play = played(num_envs, trial, gaps=0.3 * (trial // 3 % 2))
    for round_ in range(8):
        play.add(buffer, int(rng.integers(1, 12)) if rng.random() < 0.8 else 60)
        length = int(rng.integers(1, 5))
        kept = [steps[-(capacity // num_envs) :] for steps in play.lists]
        assert len(buffer) == sum(map(len, kept))
        expected = {
            tuple(step["obs"] for step in steps[i : i + length])
            for steps in kept
            for i in range(len(steps) - length + 1)
        }
        if not expected:
            with pytest.raises(ValueError, match="collect more first"):
                buffer.sample(1, 0.9, seeded(0), None, length)
            continue
        sample = buffer.sample(40 * len(expected), 0.9, seeded(round_), None, length)
        drawn = sample.steps.obs[..., 0].reshape(length, -1).T
        assert {tuple(row) for row in drawn.tolist()} == expected
        by_obs = {step["obs"]: step for steps in kept for step in steps}
        flat = sample.steps if length == 1 else sample.steps.flatten()
        for key, value in vars(flat).items():
            column = value.flatten(1)[:, 0] if value.dim() > 1 else value
            stored = [by_obs[float(obs)][key] for obs in flat.obs[:, 0]]
            assert column.tolist() == stored


@pytest.mark.parametrize("length", [1, 3])
def test_draws_are_uniform(length: int, played: Callable[..., Any], folder: str | None) -> None:
    # Environments of unequal numbers of steps, one of which has wrapped.
    buffer = ReplayBuffer(capacity=60, folder=folder, margin=7)
    play = played(3, gaps=0.4)
    play.add(buffer, 28)
    counts = [min(20, len(steps)) for steps in play.lists]
    assert len(set(counts)) > 1
    assert max(map(len, play.lists)) > 20
    drawn = buffer.sample(100_000, 0.9, seeded(5), None, length).steps.obs[..., 0]
    first = drawn if length == 1 else drawn[0]
    _, frequency = first.unique(return_counts=True)
    assert len(frequency) == sum(counts) - 3 * (length - 1)
    assert scipy.stats.chisquare(frequency.numpy()).pvalue > 1e-3


def test_only_termination_takes_what_follows() -> None:
    buffer = ReplayBuffer(capacity=4)
    terminated = torch.tensor([[True], [False], [False], [True]])
    truncated = torch.tensor([[False], [True], [False], [True]])
    obs = torch.arange(4.0).view(4, 1, 1)
    steps = simple_transitions(obs, obs, obs + 10, terminated=terminated, truncated=truncated)
    buffer.add(steps, torch.ones(4, 1, dtype=torch.bool))
    sample = buffer.sample(200, 0.97, seeded(0))
    expected = torch.tensor([0.0, 0.97, 0.97, 0.0])[sample.steps.obs[:, 0].long()]
    assert torch.equal(sample.discount, expected)
    assert torch.equal(sample.steps.next_obs, sample.steps.obs + 10)
    assert torch.equal(sample.weight, torch.ones(200))


@pytest.mark.parametrize("length", [1, 3])
def test_relabels_what_it_draws(length: int, played: Callable[..., Any]) -> None:
    buffer = ReplayBuffer(capacity=30)
    played(2).add(buffer, 10)
    before = buffer.sample(50, 0.9, seeded(0), None, length)
    again = buffer.sample(50, 0.9, seeded(0), lambda steps: steps.obs[..., 0] * 2, length)
    assert torch.equal(again.steps.reward, before.steps.obs[..., 0] * 2)
    after = buffer.sample(50, 0.9, seeded(0), None, length)
    assert torch.equal(after.steps.reward, before.steps.reward)


@pytest.mark.parametrize("rounds", [0, 2, 9])
def test_restart_goes_on_bit_for_bit(
    rounds: int, played: Callable[..., Any], folder: str | None
) -> None:
    buffer = ReplayBuffer(capacity=50, folder=folder, margin=10)
    play = played(2, gaps=0.2)
    for _ in range(rounds):
        play.add(buffer, 7)
    file = io.BytesIO()
    torch.save(buffer.state_dict(), file)
    file.seek(0)
    other = ReplayBuffer(capacity=50, folder=folder, margin=10)
    other.load_state_dict(torch.load(file, weights_only=True))
    if folder is None:  # two buffers cannot share files
        steps, valid = play.steps(3)
        buffer.add(steps, valid)
        other.add(steps, valid)
    elif rounds == 0:
        play.add(other, 3)
        return
    assert len(other) == len(buffer)
    for length in (1, 2):
        samples = [b.sample(64, 0.9, seeded(1), None, length) for b in (buffer, other)]
        assert equal(*samples)


def test_a_checkpoint_holds_only_what_is_filled(played: Callable[..., Any]) -> None:
    buffer = ReplayBuffer(capacity=1_000_000)
    played(2).add(buffer, 10)
    file = io.BytesIO()
    torch.save(buffer.state_dict(), file)
    assert file.tell() < 10_000


def test_a_state_does_not_change_with_the_buffer(played: Callable[..., Any]) -> None:
    buffer, play = ReplayBuffer(capacity=5), played(1)
    play.add(buffer, 5)
    state = buffer.state_dict()
    before = state["fields"]["obs"].clone()
    play.add(buffer, 3)
    assert torch.equal(state["fields"]["obs"], before)


def test_discrete_actions_and_no_memory() -> None:
    buffer = ReplayBuffer(capacity=10)
    obs = torch.randn(6, 1, 4)
    action = torch.arange(6).view(6, 1)
    buffer.add(simple_transitions(obs, action, obs), torch.ones(6, 1, dtype=torch.bool))
    sample = buffer.sample(20, 0.9, seeded(0))
    assert sample.steps.action.dtype is torch.int64
    assert torch.equal(sample.steps.obs, obs[sample.steps.action, 0])
    assert sample.steps.memory.shape == (20, 0)


def test_other_shapes_are_refused(played: Callable[..., Any], folder: str | None) -> None:
    buffer = ReplayBuffer(capacity=10, folder=folder)
    steps, valid = played(2).steps(3)
    buffer.add(steps, valid)

    def changed(**fields: torch.Tensor) -> Transitions:
        return Transitions(**{**vars(steps), **fields})

    with pytest.raises(ValueError, match=r"'obs' of shape \('time', 2, 3\).* not \('time', 2, 1\)"):
        buffer.add(changed(obs=steps.obs[..., :1]), valid)  # a single number would be broadcast
    with pytest.raises(ValueError, match=r"'action' .*float32, not .*int64"):
        buffer.add(changed(action=steps.action.long()), valid)
    with pytest.raises(ValueError, match="'obs'"):
        buffer.add(steps.map(lambda field: field[:, :1]), valid[:, :1])
    assert len(buffer) == 6


def test_wrong_numbers_are_refused(played: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="capacity must be at least 1"):
        buffers.build({"name": "replay", "capacity": 0})
    with pytest.raises(ConfigurationError, match="margin at least 0"):
        buffers.build({"name": "replay", "margin": -1, "folder": "x"})
    tiny = ReplayBuffer(capacity=2)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="too small for 3 environments"):
            played(3).add(tiny, 1)
    with pytest.raises(ValueError, match="collect more first"):
        ReplayBuffer(capacity=2).sample(1, 0.9, seeded(0))
    small, large = ReplayBuffer(capacity=4), ReplayBuffer(capacity=5)
    played(1).add(small, 2)
    with pytest.raises(ConfigurationError, match=r"leave buffer\.capacity"):
        large.load_state_dict(small.state_dict())


def test_equals_stable_baselines(played: Callable[..., Any]) -> None:
    box = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    peer = PeerBuffer(20, box, gymnasium.spaces.Box(-1, 1, (2,), np.float32), device="cpu")
    buffer, play = ReplayBuffer(capacity=20), played(1)
    for _ in range(33):
        steps, valid = play.steps(1)
        steps = Transitions(**{**vars(steps), "truncated": steps.truncated & ~steps.terminated})
        buffer.add(steps, valid)
        peer.add(
            steps.obs[0].numpy(), steps.next_obs[0].numpy(), steps.action[0].numpy(),
            steps.reward[0].numpy(), steps.done[0].numpy(),
            [{"TimeLimit.truncated": bool(steps.truncated)}],
        )  # fmt: skip
    sample = buffer.sample(200, 0.9, seeded(0))
    theirs = peer._get_samples(sample.index.numpy())
    assert torch.equal(sample.steps.obs, theirs.observations)
    assert torch.equal(sample.steps.action, theirs.actions)
    assert torch.equal(sample.steps.next_obs, theirs.next_observations)
    assert torch.equal(sample.steps.reward, theirs.rewards[:, 0])
    assert torch.equal(sample.discount, 0.9 * (1 - theirs.dones[:, 0]))
