import pytest
import torch

from genrl.evaluation import nearest_neighbours


def test_agrees_with_brute_force_on_images() -> None:
    generator = torch.Generator().manual_seed(0)
    train = torch.rand(30, 3, 10, 10, generator=generator) * 2 - 1
    samples = torch.rand(12, 3, 10, 10, generator=generator) * 2 - 1
    found = nearest_neighbours(samples, train)
    for i, sample in enumerate(samples.double()):
        every = [float((sample - t).square().sum().sqrt()) for t in train.double()]
        assert int(found.index[i]) == every.index(min(every))
        assert float(found.distance[i]) == pytest.approx(min(every), rel=1e-13)


def test_a_copy_has_distance_exactly_zero() -> None:
    train = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    order = torch.randperm(20, generator=torch.Generator().manual_seed(2))
    found = nearest_neighbours(train[order], train)
    assert torch.equal(found.index, order)
    assert torch.equal(found.distance, torch.zeros(20, dtype=torch.float64))


def test_points() -> None:
    found = nearest_neighbours(torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0, 0.0], [0.0, 0.0]]))
    assert (found.index.tolist(), found.distance.tolist()) == ([1], [5.0])


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(1, 8, 8\) have no neighbours among .*\(3, 8, 8\)"):
        nearest_neighbours(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8))
