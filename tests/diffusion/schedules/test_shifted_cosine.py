"""The shift for another resolution (simple diffusion, section 3.1)."""

import math

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule, ShiftedCosineSchedule

TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


@pytest.mark.parametrize(("resolution", "reference"), [(64, 32), (128, 64), (256, 32), (16, 32)])
def test_the_shift_is_twice_the_logarithm_of_the_ratio(resolution: int, reference: int) -> None:
    shifted = ShiftedCosineSchedule(resolution=resolution, reference=reference)
    expected = CosineSchedule().log_snr(TIMES) + 2 * math.log(reference / resolution)
    torch.testing.assert_close(shifted.log_snr(TIMES), expected, rtol=0, atol=1e-12)


def test_averaging_pixels_undoes_the_shift() -> None:
    """Means of k x k pixels of an image that is constant there have k² times the SNR."""
    level = ShiftedCosineSchedule(resolution=128, reference=32).level(TIMES)
    noise_of_the_mean = level.sigma / 4
    unshifted = CosineSchedule().level(TIMES)
    ratio = 2 * (level.alpha / noise_of_the_mean).log()
    torch.testing.assert_close(ratio, unshifted.log_snr, rtol=0, atol=1e-10)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ShiftedCosineSchedule(resolution=0)
    with pytest.raises(ValueError, match="must be below"):
        ShiftedCosineSchedule(log_snr_min=5.0, log_snr_max=-5.0)
