"""The cosine schedule against its trigonometric form."""

import math

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule

TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


def test_published_values() -> None:
    level = CosineSchedule().level(torch.tensor([0.5, 1.0], dtype=torch.float64))
    assert level.log_snr[0].item() == pytest.approx(0, abs=1e-14)
    assert level.alpha[1].item() == pytest.approx(4.54e-5, rel=1e-4)


def test_alpha_is_a_cosine_and_sigma_a_sine() -> None:
    level = CosineSchedule(log_snr_min=-6.0, log_snr_max=8.0).level(TIMES)
    low, high = math.atan(math.exp(-4)), math.atan(math.exp(3))
    angle = low + (high - low) * TIMES
    torch.testing.assert_close(level.alpha, angle.cos(), rtol=0, atol=1e-14)
    torch.testing.assert_close(level.sigma, angle.sin(), rtol=0, atol=1e-14)


def test_derivative_in_closed_form() -> None:
    schedule = CosineSchedule()
    angle = schedule.slope * TIMES + schedule.offset
    torch.testing.assert_close(
        schedule.log_snr_derivative(TIMES),
        -4 * schedule.slope / (2 * angle).sin(),
        rtol=1e-10,
        atol=0,
    )


@pytest.mark.parametrize("ends", [(3.0, 3.0), (5.0, -5.0)])
def test_a_wrong_order_of_the_ends_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"log_snr_min .* must be below log_snr_max"):
        CosineSchedule(log_snr_min=ends[0], log_snr_max=ends[1])
