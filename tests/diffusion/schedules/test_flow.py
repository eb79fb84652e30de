"""The straight path: α = 1 - t, σ = t."""

import math

import pytest
import torch

from genrl.diffusion.schedules import FlowSchedule


def test_alpha_and_sigma_are_linear_in_time() -> None:
    times = torch.linspace(1e-4, 1 - 1e-4, 101, dtype=torch.float64)
    level = FlowSchedule().level(times)
    torch.testing.assert_close(level.alpha, 1 - times, rtol=1e-12, atol=0)
    torch.testing.assert_close(level.sigma, times, rtol=1e-12, atol=0)


def test_the_infinite_ends_are_clamped() -> None:
    level = FlowSchedule().level(torch.tensor([0.0, 1e-6, 1.0], dtype=torch.float64))
    assert level.log_snr.tolist() == [20, 20, -20]
    edge = 1 / (1 + math.exp(10))
    assert level.sigma.tolist() == pytest.approx([edge, edge, 1 - edge], rel=1e-12)
    assert level.alpha.tolist() == pytest.approx([1 - edge, 1 - edge, edge], rel=1e-12)


def test_a_wrong_order_of_the_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="must be below"):
        FlowSchedule(log_snr_min=1.0, log_snr_max=1.0)
