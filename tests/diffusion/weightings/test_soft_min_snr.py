"""The smooth form of min_snr."""

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.weightings import MinSnrWeighting, SoftMinSnrWeighting


def test_it_is_half_of_the_harmonic_mean_of_snr_and_gamma() -> None:
    schedule = CosineSchedule()
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    snr = schedule.log_snr(t).exp()
    expected = 1 / (1 / snr + 1 / 7.0)
    torch.testing.assert_close(
        SoftMinSnrWeighting(schedule, gamma=7.0)(t), expected, rtol=1e-12, atol=0
    )


def test_between_half_of_the_minimum_and_the_minimum() -> None:
    schedule = CosineSchedule()
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    soft, hard = SoftMinSnrWeighting(schedule, gamma=5.0)(t), MinSnrWeighting(schedule)(t)
    assert ((soft >= hard / 2 - 1e-12) & (soft <= hard)).all()


def test_a_limit_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="gamma must be positive"):
        SoftMinSnrWeighting(CosineSchedule(), gamma=0.0)
