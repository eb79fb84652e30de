"""Perception-prioritized weighting by its published form."""

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.weightings import P2Weighting, SnrWeighting

TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


@pytest.mark.parametrize(("k", "gamma"), [(1.0, 1.0), (1.0, 0.5), (2.5, 2.0)])
def test_the_error_in_eps_over_a_power(k: float, gamma: float) -> None:
    schedule = CosineSchedule(log_snr_min=-12.0, log_snr_max=12.0)
    level = schedule.level(TIMES)
    snr = (level.alpha / level.sigma) ** 2
    # A unit error in x is one of α/σ in ε.
    expected = (level.alpha / level.sigma) ** 2 / (k + snr) ** gamma
    found = P2Weighting(schedule, k=k, gamma=gamma)(TIMES)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_special_cases() -> None:
    schedule = CosineSchedule()
    torch.testing.assert_close(
        P2Weighting(schedule, gamma=0.0)(TIMES), SnrWeighting(schedule)(TIMES), rtol=1e-12, atol=0
    )
    torch.testing.assert_close(
        P2Weighting(schedule)(TIMES), schedule.level(TIMES).alpha ** 2, rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("parameters", [{"k": 0.0}, {"gamma": -1.0}])
def test_wrong_numbers_are_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="k must be positive"):
        P2Weighting(CosineSchedule(), **parameters)
