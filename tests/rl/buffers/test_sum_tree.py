"""The sum tree against cumulative sums."""

import numpy as np
import pytest
import torch

from genrl.rl.buffers.sum_tree import SumTree


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100, 1000])
def test_find_is_a_search_in_cumulative_sums(size: int) -> None:
    rng = np.random.default_rng(size)
    tree, values = SumTree(size), np.zeros(size)
    for _ in range(20):
        index = rng.permutation(size)[: int(rng.integers(1, size + 1))]
        # Multiples of 1/8 are summed without rounding; many are 0.
        value = rng.integers(0, 9, len(index)) / 8 * (rng.random(len(index)) < 0.7)
        values[index] = value
        tree.set(torch.from_numpy(index), torch.from_numpy(value))
        assert tree.total == values.sum()
        assert tree.values[:size].tolist() == values.tolist()
        if tree.total > 0:
            mass = rng.integers(0, int(8 * tree.total), 200) / 8
            expected = np.searchsorted(values.cumsum(), mass, side="right")
            assert tree.find(torch.from_numpy(mass)).tolist() == expected.tolist()


def test_rounding_never_finds_a_value_of_zero() -> None:
    rng = np.random.default_rng(0)
    tree, values = SumTree(300), rng.random(300) * 10.0 ** rng.integers(-12, 3, 300)
    values[rng.random(300) < 0.5] = 0.0
    tree.set(torch.arange(300), torch.from_numpy(values))
    mass = torch.tensor([0.0, tree.total, np.nextafter(tree.total, 0), 2 * tree.total])
    assert (tree.get(tree.find(mass)) > 0).all()
    edges = torch.from_numpy(values.cumsum())
    assert (tree.get(tree.find(edges)) > 0).all()


def test_values_restore_every_sum_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    tree, other = SumTree(1000), SumTree(1000)
    for _ in range(50):
        index = torch.from_numpy(rng.integers(0, 700, 100))
        tree.set(index, torch.from_numpy(rng.random(100)))
    other.set(torch.arange(1000), torch.ones(1000, dtype=torch.float64))
    other.load(tree.values[:700])
    assert np.array_equal(tree.nodes, other.nodes)


def test_of_values_for_one_index_the_last_counts() -> None:
    tree = SumTree(10)
    tree.set(torch.tensor([3, 3, 4]), torch.tensor([1.0, 2.0, 5.0]).double())
    assert tree.total == 7.0
