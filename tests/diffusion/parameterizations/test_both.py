"""Which half of the output counts."""

import pytest
import torch

from genrl.diffusion.parameterizations import BothParameterization
from genrl.diffusion.schedules import CosineSchedule, EdmSchedule, NoiseLevel, NoiseSchedule


def level_at(schedule: NoiseSchedule, log_snr: float) -> NoiseLevel:
    value = torch.tensor(log_snr, dtype=torch.float64)
    return NoiseLevel(value, schedule.log_alpha(value).exp(), schedule.log_sigma(value).exp())


def test_formula_of_the_paper() -> None:
    level = level_at(CosineSchedule(), 0.8)
    generator = torch.Generator().manual_seed(0)
    x, eps, z = torch.randn(3, 2, 3, 5, 5, generator=generator, dtype=torch.float64)
    prediction = BothParameterization().prediction(torch.cat([x, eps], 1), z, level)
    expected = level.sigma**2 * x + level.alpha * (z - level.sigma * eps)
    torch.testing.assert_close(prediction.x, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("schedule", [CosineSchedule(), EdmSchedule()])
def test_the_accurate_half_counts(schedule: NoiseSchedule) -> None:
    """At high noise x comes from x̃ alone, at low noise ε comes from ε̃ alone."""
    x, eps, z = (torch.full((1, 1), v, dtype=torch.float64) for v in (2.0, 3.0, 0.0))
    output = torch.cat([x, eps], dim=1)
    noisy = BothParameterization().prediction(output, z, level_at(schedule, -18.0))
    clean = BothParameterization().prediction(output, z, level_at(schedule, 18.0))
    assert noisy.x.item() == pytest.approx(2.0, abs=1e-3)
    assert clean.eps.item() == pytest.approx(3.0, abs=1e-3)


def test_the_network_gives_two_channels_for_each() -> None:
    assert BothParameterization.num_outputs == 2
