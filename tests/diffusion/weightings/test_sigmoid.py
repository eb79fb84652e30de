"""The sigmoid weighting of the bound."""

import math

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, NoiseSchedule, VdmLinearSchedule
from genrl.diffusion.weightings import SigmoidWeighting, VlbWeighting

TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


@pytest.mark.parametrize("schedule", [CosineSchedule(), EdmSchedule(), VdmLinearSchedule()])
@pytest.mark.parametrize("bias", [-3.0, 2.0])
def test_the_bounds_weight_times_a_sigmoid(schedule: NoiseSchedule, bias: float) -> None:
    """½ (-λ') sigmoid(b - λ) ||ε - ε̂||², where a unit error in x is one of e^{λ/2} in ε."""
    log_snr = schedule.log_snr(TIMES)
    of_eps = -0.5 * schedule.log_snr_derivative(TIMES) * torch.sigmoid(bias - log_snr)
    found = SigmoidWeighting(schedule, bias=bias)(TIMES)
    torch.testing.assert_close(found, of_eps * log_snr.exp(), rtol=1e-12, atol=0)


def test_the_bound_itself_where_the_bias_is_high() -> None:
    schedule = CosineSchedule()
    torch.testing.assert_close(
        SigmoidWeighting(schedule, bias=60.0)(TIMES),
        VlbWeighting(schedule)(TIMES),
        rtol=1e-12,
        atol=0,
    )


def test_the_integral_over_time_does_not_depend_on_the_schedule() -> None:
    """∫ w dt = ½ ∫ e^λ sigmoid(b - λ) dλ = ½ e^b [softplus(λ - b)], by the ends alone."""
    fine = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    low, high = -5.0, 9.0
    expected = 0.5 * math.exp(2) * (math.log1p(math.exp(high - 2)) - math.log1p(math.exp(low - 2)))
    for schedule in (
        CosineSchedule(log_snr_min=low, log_snr_max=high),
        VdmLinearSchedule(log_snr_min=low, log_snr_max=high),
    ):
        found = SigmoidWeighting(schedule)(fine).mean().item()
        assert found == pytest.approx(expected, rel=1e-5)
