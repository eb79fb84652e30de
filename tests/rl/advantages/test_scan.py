"""The parallel scan against a loop, in both precisions, with and without a window."""

import numpy as np
import pytest
import torch

from genrl.rl.advantages import backward_scan


def loop(inputs: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    result, following = torch.zeros_like(inputs), torch.zeros_like(inputs[0])
    for t in reversed(range(len(inputs))):
        following = inputs[t] + factors[t] * following
        result[t] = following
    return result


def windowed(inputs: torch.Tensor, factors: torch.Tensor, window: int) -> torch.Tensor:
    result = torch.zeros_like(inputs)
    for t in range(len(inputs)):
        weight = torch.ones_like(inputs[0])
        for k in range(t, min(len(inputs), t + window)):
            result[t] += weight * inputs[k]
            weight = weight * factors[k]
    return result


@pytest.mark.parametrize("time", [1, 2, 3, 7, 8, 9, 64, 65, 200])
def test_equals_a_loop(time: int) -> None:
    generator = torch.Generator().manual_seed(time)
    a = torch.randn(time, 5, generator=generator, dtype=torch.float64)
    c = 2 * torch.rand(time, 5, generator=generator, dtype=torch.float64) - 1
    torch.testing.assert_close(backward_scan(a, c), loop(a, c), rtol=1e-14, atol=1e-14)
    single = backward_scan(a.float(), c.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), loop(a, c), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 11, 12, 13, 40])
def test_windows_of_any_length(window: int) -> None:
    generator = torch.Generator().manual_seed(window)
    a = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    c = torch.rand(12, 3, generator=generator, dtype=torch.float64)
    expected = windowed(a, c, window)
    torch.testing.assert_close(backward_scan(a, c, window), expected, rtol=1e-14, atol=1e-14)


def test_long_sums_stay_exact() -> None:
    ones = torch.ones(2048, 1, dtype=torch.float64)
    exact = torch.from_numpy((1 - 0.999 ** np.arange(2048, 0, -1)) / 0.001)[:, None]
    torch.testing.assert_close(backward_scan(ones, 0.999 * ones), exact, rtol=1e-12, atol=0)


def test_inputs_are_left_alone() -> None:
    a, c = torch.ones(6, 2), torch.full((6, 2), 0.5)
    backward_scan(a, c)
    assert bool((a == 1).all())
    assert bool((c == 0.5).all())
