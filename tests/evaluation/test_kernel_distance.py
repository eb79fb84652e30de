"""The unbiased kernel distance, against its definition."""

import itertools

import pytest
import torch

from genrl.evaluation.kernel_distance import kernel_distance

F64 = torch.float64


def test_equals_the_double_sums() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 3, generator=generator, dtype=F64) for n in (5, 7))

    def kernel(f: torch.Tensor, g: torch.Tensor) -> float:
        return float((f @ g / 3 + 1) ** 3)

    within = [
        sum(kernel(x[i], x[j]) for i, j in itertools.permutations(range(len(x)), 2))
        / (len(x) * (len(x) - 1))
        for x in (a, b)
    ]
    between = sum(kernel(f, g) for f in a for g in b) / 35
    assert kernel_distance(a, b).item() == pytest.approx(sum(within) - 2 * between, rel=1e-12)


def test_it_is_unbiased_on_few_samples_of_one_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    found = torch.stack(
        [
            kernel_distance(*torch.randn(2, 4, 2, generator=generator, dtype=F64))
            for _ in range(4000)
        ]
    )
    assert abs(found.mean()) < 4 * found.std() / 4000**0.5


def test_one_sample_or_other_sizes_are_refused() -> None:
    for shapes in (((1, 2), (5, 2)), ((5, 2), (5, 3))):
        with pytest.raises(ValueError, match="at least two samples"):
            kernel_distance(*(torch.zeros(shape) for shape in shapes))
