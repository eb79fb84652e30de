"""The linear log-SNR of variational diffusion models."""

import pytest
import torch

from genrl.diffusion.schedules import VdmLinearSchedule


def test_gamma_of_the_paper() -> None:
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    gamma = -13.3 + (5 - -13.3) * times
    level = VdmLinearSchedule().level(times)
    torch.testing.assert_close(level.log_snr, -gamma, rtol=0, atol=1e-13)
    torch.testing.assert_close(level.sigma**2, gamma.sigmoid(), rtol=1e-13, atol=0)
    torch.testing.assert_close(level.alpha**2, (-gamma).sigmoid(), rtol=1e-13, atol=0)


def test_ends_are_exact() -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    schedule = VdmLinearSchedule(log_snr_min=-7.1, log_snr_max=3.3)
    assert schedule.log_snr(ends).tolist() == [3.3, -7.1]


def test_a_wrong_order_of_the_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="must be below"):
        VdmLinearSchedule(log_snr_min=5.0, log_snr_max=-13.3)
