"""The history's ring against a list."""

import pytest
import torch

from genrl.imitation.history import History


@pytest.mark.parametrize("portions", [[1] * 20, [3, 3, 3, 3], [7, 1, 12, 2], [25], [5, 0, 2]])
def test_it_holds_the_last_ones(portions: list[int]) -> None:
    history, seen = History(2, 7), torch.empty(0, 2)
    for number, size in enumerate(portions):
        values = torch.arange(2.0 * size).view(size, 2) + 100 * number
        history.add(values)
        seen = torch.cat([seen, values])[-7:]
        assert len(history) == len(seen)
        held = {tuple(row) for row in history.values.tolist()}
        assert held == {tuple(row) for row in seen.tolist()}


def test_memory_grows_with_what_it_holds() -> None:
    history = History(3, 1_000_000)
    history.add(torch.zeros(10, 3))
    assert history._rows.numel() <= 60


def test_draws_are_uniform() -> None:
    history = History(1, 10)
    history.add(torch.arange(15.0)[:, None])
    drawn = history.sample(20_000, torch.Generator().manual_seed(0))[:, 0].long()
    counts = drawn.bincount(minlength=15)
    assert counts[:5].sum() == 0
    assert (counts[5:] - 2000).abs().max() < 200  # 4.7 standard deviations


def test_it_goes_on_where_it_was() -> None:
    one = History(1, 4)
    one.add(torch.arange(6.0)[:, None])
    other = History(1, 4)
    other.load_state_dict(one.state_dict())
    for history in (one, other):
        history.add(torch.tensor([[10.0]]))
    assert torch.equal(one.values, other.values)
    with pytest.raises(ValueError, match="the same history"):
        History(1, 2).load_state_dict(one.state_dict())
