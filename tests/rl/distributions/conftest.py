"""What tests of distributions compare with: Monte Carlo and finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def generator() -> torch.Generator:
    """Fixed numbers."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def near_in_mean() -> Callable[[Tensor, Tensor], None]:
    """Whether the mean of samples (along the first dimension) is a given one, by standard errors.

    Fails beyond 4 of them, and where they are too large to tell 2 % of the truth.
    """

    def check(samples: Tensor, expected: Tensor) -> None:
        error = samples.std(0) / len(samples) ** 0.5
        assert (error <= 0.02 * expected.abs() + 1e-3).all(), error
        assert ((samples.mean(0) - expected).abs() <= 4 * error).all(), (
            samples.mean(0),
            expected,
            error,
        )

    return check


@pytest.fixture
def difference() -> Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]:
    """Gradient of a scalar function by central differences, in fp64."""

    def gradient(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-5) -> Tensor:
        slopes = torch.zeros_like(at)
        for index in range(at.numel()):
            shift = torch.zeros_like(at).flatten()
            shift[index] = step
            shift = shift.view_as(at)
            slopes.view(-1)[index] = (function(at + shift) - function(at - shift)) / (2 * step)
        return slopes

    return gradient
