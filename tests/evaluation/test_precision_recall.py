import pytest
import torch
from torch import Tensor

from genrl.evaluation import precision_recall
from genrl.evaluation.distances import distance_blocks


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def brute_force(points: Tensor, members: Tensor, k: int) -> float:
    """Fraction of points inside a ball of a member, in Python loops."""
    radii = []
    for i, m in enumerate(members):
        others = sorted(float((m - o).norm()) for j, o in enumerate(members) if j != i)
        radii.append(others[k - 1])
    inside = [
        any(float((p - m).norm()) <= r for m, r in zip(members, radii, strict=True)) for p in points
    ]
    return sum(inside) / len(inside)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dims", [3, 300])
def test_agrees_with_brute_force(k: int, dims: int) -> None:
    real, fake = normal(40, dims), 1.1 * normal(30, dims, seed=1) + 0.15
    found = precision_recall(real, fake, k=k)
    assert found.precision == brute_force(fake, real, k)
    assert found.recall == brute_force(real, fake, k)
    assert 0 < found.precision < 1 or dims == 300


def test_radius_is_the_distance_to_the_kth_neighbour() -> None:
    """Members at 0, 1, 3, 7 and k = 2: the balls are [-3, 3], [-1, 3], [0, 6], [1, 13]."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    fake = torch.tensor([[-3.0], [-3.01], [13.0], [13.01], [5.0]])
    assert precision_recall(real, fake, k=2).precision == 3 / 5


def test_the_same_set_twice() -> None:
    real = normal(50, 4)
    found = precision_recall(real, real.clone(), k=3)
    assert (found.precision, found.recall) == (1, 1)


def test_disjoint_sets() -> None:
    found = precision_recall(normal(50, 4), normal(50, 4, seed=1) + 100)
    assert (found.precision, found.recall) == (0, 0)


def test_a_dropped_mode_lowers_recall_only() -> None:
    modes = torch.tensor([-20.0, 20.0]).double()
    real = normal(200, 2) + modes[torch.arange(200) % 2, None]
    fake = normal(200, 2, seed=1) + modes[0]
    found = precision_recall(real, fake)
    assert found.precision > 0.9
    assert 0.4 < found.recall <= 0.5


def test_invented_examples_lower_precision_only() -> None:
    modes = torch.tensor([-20.0, 20.0]).double()
    fake = normal(200, 2) + modes[torch.arange(200) % 2, None]
    real = normal(200, 2, seed=1) + modes[0]
    found = precision_recall(real, fake)
    assert 0.4 < found.precision <= 0.5
    assert found.recall > 0.9


def test_equal_examples_are_covered_by_balls_without_extent() -> None:
    points = torch.tensor([[0.3, 0.1]]).repeat(6, 1)
    found = precision_recall(points, points)
    assert (found.precision, found.recall) == (1, 1)


@pytest.mark.parametrize("dims", [5, 400])
def test_blocks_hold_every_distance_once(dims: int) -> None:
    a, b = normal(23, dims) + 50, normal(7, dims, seed=1) + 50
    whole = (a[:, None] - b[None]).square().sum(-1).sqrt()
    for elements in (1, 15, 10_000):
        seen = torch.full_like(whole, -1)
        for rows, block in distance_blocks(a, b, block_elements=elements):
            assert block.numel() <= max(elements, len(b))
            seen[rows] = block
        torch.testing.assert_close(seen, whole, rtol=1e-12, atol=1e-12)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="more than 5 examples"):
        precision_recall(normal(5, 2), normal(50, 2), k=5)
    with pytest.raises(ValueError, match="at least 1"):
        precision_recall(normal(5, 2), normal(50, 2), k=0)
    with pytest.raises(ValueError, match="all of one size"):
        precision_recall(normal(9, 2), normal(9, 3))
