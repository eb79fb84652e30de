"""The stage of an update against a walk through all of them."""

import pytest

from genrl.diffusion.ladders import Position, Stage, position


def stages(*updates: int) -> list[Stage]:
    return [Stage(f"s{i}", {"name": "denoising"}, n, 1e-3) for i, n in enumerate(updates)]


@pytest.mark.parametrize("updates", [(1,), (7,), (3, 1, 4), (1, 1, 1, 1), (5, 2, 9, 6)])
def test_position_of_every_update(updates: tuple[int, ...]) -> None:
    walk = [Position(index, step) for index, length in enumerate(updates) for step in range(length)]
    run = stages(*updates)
    assert [position(run, update) for update in range(sum(updates))] == walk
    # The end belongs to the last stage: nothing comes after it.
    assert position(run, sum(updates)) == Position(len(updates) - 1, updates[-1])


def test_a_run_has_a_stage() -> None:
    with pytest.raises(AssertionError):
        position([], 0)
