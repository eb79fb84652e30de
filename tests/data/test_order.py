"""The order visits everything once in each epoch, and any part of it can be computed alone."""

import torch

from genrl.data import EpochOrder


def test_each_epoch_is_a_permutation_of_its_own() -> None:
    order = EpochOrder(50, seed=3)
    epochs = [order.indices(50 * e, 50 * (e + 1)).tolist() for e in range(5)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5
    assert epochs[0] != list(range(50))


def test_any_part_equals_the_same_part_of_the_whole() -> None:
    whole = EpochOrder(7, seed=0).indices(0, 60)
    for start in range(0, 40):
        for length in (0, 1, 3, 7, 8, 20):
            part = EpochOrder(7, seed=0).indices(start, start + length)
            assert torch.equal(part, whole[start : start + length])


def test_going_back_gives_the_same() -> None:
    order = EpochOrder(7, seed=0)
    first = order.indices(2, 6)
    order.indices(100, 120)
    assert torch.equal(order.indices(2, 6), first)


def test_another_seed_gives_another_order() -> None:
    orders = {tuple(EpochOrder(20, seed=s).indices(0, 20).tolist()) for s in range(20)}
    assert len(orders) == 20


def test_positions_are_uniform_over_the_examples() -> None:
    firsts = torch.tensor([int(EpochOrder(4, s).indices(0, 1)) for s in range(2000)])
    counts = torch.bincount(firsts, minlength=4)
    chi_square = ((counts - 500) ** 2 / 500).sum()
    assert chi_square < 16.3  # 99.9 % point for three degrees of freedom
