"""The sigmoid schedule against its published form."""

import math

import pytest
import torch

from genrl.diffusion.schedules import SigmoidSchedule

U = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)


def published(u: torch.Tensor, start: float, end: float, tau: float) -> torch.Tensor:
    """ᾱ of Jabri et al. 2022, algorithm 1, as it stands there."""
    first, last = (1 / (1 + math.exp(-value / tau)) for value in (start, end))
    value = torch.sigmoid((u * (end - start) + start) / tau)
    return (last - value) / (last - first)


@pytest.mark.parametrize(
    ("start", "end", "tau"), [(-3.0, 3.0, 1.0), (-3.0, 3.0, 0.5), (0.0, 3.0, 0.7), (-1.0, 2.0, 1.1)]
)
def test_the_signal_is_the_published_one(start: float, end: float, tau: float) -> None:
    """With ends this far out, t is their time but for 1e-13."""
    schedule = SigmoidSchedule(start=start, end=end, tau=tau, log_snr_min=-34.0, log_snr_max=34.0)
    signal = torch.sigmoid(schedule.log_snr(U))
    torch.testing.assert_close(signal, published(U, start, end, tau), rtol=1e-10, atol=0)


def test_the_default_is_antisymmetric() -> None:
    schedule = SigmoidSchedule()
    torch.testing.assert_close(schedule.log_snr(U), -schedule.log_snr(1 - U), rtol=0, atol=1e-12)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="start < end"):
        SigmoidSchedule(start=3.0, end=-3.0)
    with pytest.raises(ValueError, match="positive tau"):
        SigmoidSchedule(tau=0.0)
    with pytest.raises(ValueError, match="must be below"):
        SigmoidSchedule(log_snr_min=14.0)
    for far in ({"tau": 0.002}, {"end": 301.0}, {"log_snr_min": -301.0}, {"end": math.inf}):
        with pytest.raises(ValueError, match=r"must be in \[-300, 300\]"):
            SigmoidSchedule(**far)


@pytest.mark.parametrize("tau", [1.0, 0.1, 0.02])
def test_a_steep_one_keeps_its_ends_and_its_inverse(tau: float) -> None:
    """At τ = 0.02, tanh of half of e - s is 1 in float64, and would have no inverse."""
    schedule = SigmoidSchedule(tau=tau)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([14.0, -14.0], dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(ends), expected, rtol=1e-9, atol=0)
    levels = torch.linspace(-13.5, 13.5, 55, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(schedule.time(levels)), levels, rtol=0, atol=1e-7)
