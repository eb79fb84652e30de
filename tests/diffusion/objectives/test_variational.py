"""The bound as a loss: its expectation in closed form."""

import math

import pytest
import torch

from genrl.diffusion import (
    GaussianDenoiser,
    LowDiscrepancyTimeSampler,
    NoGuidance,
    Parts,
    SnrWeighting,
    UniformTimeGrid,
    VariationalObjective,
    VdmLinearSchedule,
    VlbWeighting,
    Weighting,
)
from genrl.diffusion.likelihood import decoder_nats

F64 = torch.float64
SCHEDULE = VdmLinearSchedule()


def parts(weighting: Weighting, num_levels: int | None = None) -> Parts:
    sampler, grid = LowDiscrepancyTimeSampler(SCHEDULE), UniformTimeGrid(SCHEDULE)
    return Parts(SCHEDULE, weighting, sampler, grid, NoGuidance(0), 0, num_levels)


def test_expectation_is_the_closed_form_of_gaussian_data() -> None:
    """N(0, 0.25): 5.95601463 nats of diffusion, and the bound within 2e-5 of the entropy."""
    zero = torch.zeros(1, dtype=F64)
    model = GaussianDenoiser(SCHEDULE, zero, zero + 0.5)
    generator = torch.Generator().manual_seed(0)
    x = 0.5 * torch.randn(400_000, 1, generator=generator, dtype=F64)
    found = VariationalObjective(parts(VlbWeighting(SCHEDULE)))(model, None, x, None, generator)
    error = 5 * found.metrics["diffusion_std"].item() / math.sqrt(len(x))
    assert found.metrics["diffusion"].item() == pytest.approx(5.95601463, abs=error)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.25)
    assert found.loss.item() == pytest.approx(entropy, abs=error + 0.01)
    signal, noise = torch.sigmoid(torch.tensor([-5.0, 5.0], dtype=F64)).tolist()
    prior = 0.5 * (0.25 * signal + noise - math.log(noise) - 1)
    assert found.metrics["prior"].item() == pytest.approx(prior, rel=1e-2)
    reconstruction = 0.5 * math.log(2 * math.pi * math.e) - 13.3 / 2
    assert found.metrics["reconstruction"].item() == pytest.approx(reconstruction, abs=0.01)


def test_the_decoder_knows_the_levels_of_the_data() -> None:
    loss = VariationalObjective(parts(VlbWeighting(SCHEDULE), num_levels=17))
    x = (torch.arange(64) % 17).reshape(4, 16) / 8 - 1
    zero = torch.zeros(16)
    model = GaussianDenoiser(SCHEDULE, zero, zero + 0.5)
    found = loss(model, None, x, None, torch.Generator().manual_seed(0))
    # λ = 13.3 leaves a noise of 1/98 of the distance between two levels.
    assert found.metrics["reconstruction"].item() == pytest.approx(0, abs=1e-12)
    level = SCHEDULE.level_like(torch.tensor([0.5]), x)
    assert decoder_nats(x, level.alpha * x, level, 17).min() > 0.1


def test_another_weighting_is_no_bound() -> None:
    with pytest.raises(ValueError, match="give weighting=vlb"):
        VariationalObjective(parts(SnrWeighting(SCHEDULE)))
