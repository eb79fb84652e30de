"""A split is a partition, stratified and fixed."""

import pytest
import torch

from genrl.data import stratified_split


def test_a_split_is_a_partition_in_ascending_order() -> None:
    labels = torch.randint(5, (203,), generator=torch.Generator().manual_seed(0))
    train, held_out = stratified_split(labels, 0.3)
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(203))
    assert train.tolist() == sorted(train.tolist())
    assert held_out.tolist() == sorted(held_out.tolist())


def test_every_class_gives_the_rounded_fraction() -> None:
    labels = torch.tensor([0] * 10 + [1] * 4 + [2] * 2 + [3])
    _, held_out = stratified_split(labels, 0.25)
    # round(2.5) = 2 (to even), round(1.0) = 1, at least 1 of two, none of a single example.
    assert torch.bincount(labels[held_out], minlength=4).tolist() == [2, 1, 1, 0]


def test_no_class_is_held_out_entirely() -> None:
    train, _ = stratified_split(torch.tensor([0, 0, 1, 1, 1]), 0.99)
    assert torch.tensor([0, 0, 1, 1, 1])[train].tolist() == [0, 1]


def test_nothing_is_held_out_at_fraction_zero() -> None:
    train, held_out = stratified_split(torch.zeros(7, dtype=torch.long), 0.0)
    assert train.tolist() == list(range(7))
    assert len(held_out) == 0


def test_the_choice_is_random_but_fixed_by_the_seed() -> None:
    labels = torch.zeros(100, dtype=torch.long)
    first = stratified_split(labels, 0.2)[1].tolist()
    assert first == stratified_split(labels, 0.2)[1].tolist()
    assert first != stratified_split(labels, 0.2, seed=1)[1].tolist()
    assert first != list(range(20))
    assert first != list(range(80, 100))


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="held_out_fraction must be at least 0 and below 1"):
        stratified_split(torch.zeros(3, dtype=torch.long), fraction)
