"""Windows of demonstrations against slices of padded lists."""

import pytest
import torch

from genrl.imitation.demonstrations import Demonstration
from genrl.imitation.windows import Windows


def episode(number: int, steps: int) -> Demonstration:
    obs = 100.0 * number + torch.arange(steps + 1.0)
    return Demonstration(obs[:, None], obs[:-1, None] + 0.5, torch.zeros(steps), False)


@pytest.mark.parametrize(("size", "before"), [(1, 0), (4, 0), (5, 2), (3, 2), (20, 4)])
def test_against_padded_lists(size: int, before: int) -> None:
    episodes = [episode(1, 5), episode(2, 1), episode(3, 8)]
    windows = Windows(episodes, size, before)
    assert len(windows) == 14
    obs, action, valid = windows[torch.arange(14)]
    expected = []
    for item in episodes:
        rows = item.obs[:-1, 0].tolist()
        for step in range(len(rows)):
            padded = [rows[0]] * before + rows + [rows[-1]] * size
            inside = [False] * before + [True] * len(rows) + [False] * size
            expected.append((padded[step : step + size], inside[step : step + size]))
    for number, (row, inside) in enumerate(expected):
        assert obs[number, :, 0].tolist() == row
        assert (action[number, :, 0] - 0.5).tolist() == row
        assert valid[number].tolist() == inside
    assert bool(valid[:, before].all())


def test_no_episode_has_no_window() -> None:
    assert len(Windows([], 4)) == 0
