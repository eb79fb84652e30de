"""Transitions: every field goes the same way."""

import dataclasses

import torch

from genrl.rl.transitions import Transitions, simple_transitions


def grid(time: int = 3, envs: int = 2) -> Transitions:
    """Fields that say where they stand: 10 t + e."""
    number = 10.0 * torch.arange(time)[:, None] + torch.arange(envs)
    wide = number[..., None].expand(time, envs, 4)
    even = number % 2 == 0
    return Transitions(
        wide, number.long(), number, wide + 1, even, number > 10, ~even, wide[..., :1]
    )


def test_done_is_either_end() -> None:
    steps = grid()
    assert torch.equal(steps.done, steps.terminated | steps.truncated)
    assert steps.done.any()
    assert not steps.done.all()


def test_flattening_keeps_a_step_together_with_time_first() -> None:
    flat = grid().flatten()
    assert flat.reward.tolist() == [0.0, 1.0, 10.0, 11.0, 20.0, 21.0]
    assert flat.shape == (6,)
    assert len(flat) == 6
    for field in dataclasses.fields(Transitions):
        assert torch.equal(
            getattr(flat, field.name),
            getattr(grid(), field.name).reshape(6, *getattr(grid(), field.name).shape[2:]),
        )


def test_selecting_and_joining_are_inverse() -> None:
    steps = grid().flatten()
    index = torch.tensor([4, 0, 3])
    chosen = steps[index]
    assert chosen.reward.tolist() == [20.0, 0.0, 11.0]
    joined = Transitions.cat([steps[:2], steps[2:5], steps[5:]])
    for field in dataclasses.fields(Transitions):
        assert torch.equal(getattr(chosen, field.name), getattr(steps, field.name)[index])
        assert torch.equal(getattr(joined, field.name), getattr(steps, field.name))


def test_simple_ones_end_nowhere() -> None:
    obs = torch.randn(5, 3)
    steps = simple_transitions(obs, obs[:, :1], obs + 1)
    assert not steps.done.any()
    assert not steps.reward.any()
    assert steps.memory.shape == (5, 0)
    over = torch.ones(5, dtype=torch.bool)
    assert simple_transitions(obs, obs, obs, terminated=over).terminated.all()
    assert not simple_transitions(obs, obs, obs, terminated=over).truncated.any()
