"""The Laplace schedule: its distribution, and what diffusers makes of it."""

import warnings

import pytest
import torch
from scipy import stats

from genrl.diffusion.schedules import LaplaceSchedule

F64 = torch.float64


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 0.5), (-1.0, 0.75), (1.5, 1.0)])
def test_log_snr_of_a_uniform_time_is_laplace_distributed(mean: float, scale: float) -> None:
    schedule = LaplaceSchedule(mean=mean, scale=scale, log_snr_min=-30.0, log_snr_max=30.0)
    times = torch.linspace(0.01, 0.99, 99, dtype=F64)
    expected = stats.laplace.isf(times.numpy(), loc=mean, scale=scale)
    torch.testing.assert_close(
        schedule.log_snr(times), torch.from_numpy(expected), rtol=0, atol=1e-10
    )


def test_diffusers_takes_the_same_for_alpha() -> None:
    """Its ᾱ is the root of sigmoid(λ), and a millionth is added inside the logarithm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        theirs = diffusers.DDPMScheduler(beta_schedule="laplace").alphas_cumprod.double()
    times = torch.arange(1, 1000, dtype=F64) / 1000
    schedule = LaplaceSchedule(log_snr_min=-18.0, log_snr_max=30.0)
    # Theirs starts at ᾱ(0) = (1000/1001)^½, by which the product of its β is divided.
    first = (1000 / 1001) ** 0.5
    found = torch.sigmoid(schedule.log_snr(times)).sqrt() / first
    inner = slice(20, 960)
    torch.testing.assert_close(found[inner], theirs[:-1][inner], rtol=1e-3, atol=0)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mean .* must lie between"):
        LaplaceSchedule(mean=9.0)
    with pytest.raises(ValueError, match="scale must be positive"):
        LaplaceSchedule(scale=0.0)
