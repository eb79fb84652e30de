"""Decoders: probabilities of levels sum to one and follow from Bayes' rule."""

import math

import pytest
import torch

from genrl.diffusion import CosineSchedule, VdmLinearSchedule
from genrl.diffusion.likelihood import (
    discretized_gaussian_log_prob,
    gaussian_log_prob,
    level_log_prob,
)

F64 = torch.float64


@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_probabilities_of_all_levels_sum_to_one(num_values: int) -> None:
    values = torch.linspace(-1, 1, num_values, dtype=F64)[:, None]
    center = torch.tensor([[-1.3, -0.2, 0.01, 0.4, 0.99]], dtype=F64)
    for std in (1e-3, 0.05, 2.0):
        log_prob = discretized_gaussian_log_prob(values, center, torch.tensor(std), num_values)
        torch.testing.assert_close(
            log_prob.exp().sum(0), torch.ones(5, dtype=F64), atol=1e-12, rtol=0
        )
    schedule = VdmLinearSchedule()
    for time in (0.0, 0.3, 0.9):
        level = schedule.level_like(torch.tensor([time], dtype=F64), center)
        log_prob = level_log_prob(values, center.expand(num_values, 5), level, num_values)
        torch.testing.assert_close(
            log_prob.exp().sum(0), torch.ones(5, dtype=F64), atol=1e-12, rtol=0
        )


def test_levels_by_bayes_rule() -> None:
    """p(x | z) ∝ N(z; α x, σ²) for a flat prior over 3 levels."""
    level = CosineSchedule().level_like(
        torch.tensor([0.4], dtype=F64), torch.zeros(1, 1, dtype=F64)
    )
    z, alpha, sigma = 0.3, level.alpha.item(), level.sigma.item()
    joint = [math.exp(-0.5 * ((z - alpha * x) / sigma) ** 2) for x in (-1, 0, 1)]
    for index, x in enumerate((-1.0, 0.0, 1.0)):
        found = level_log_prob(
            torch.tensor([[x]], dtype=F64), torch.tensor([[z]], dtype=F64), level, 3
        )
        assert found.item() == pytest.approx(math.log(joint[index] / sum(joint)), abs=1e-12)


def test_gaussian() -> None:
    found = gaussian_log_prob(torch.tensor([0.3]), torch.tensor([1.0]), torch.tensor(0.5))
    normal = torch.distributions.Normal(1.0, 0.5).log_prob(torch.tensor([0.3]))
    torch.testing.assert_close(found, normal)


def test_one_level_is_refused() -> None:
    level = CosineSchedule().level_like(torch.tensor([0.4]), torch.zeros(1, 1))
    with pytest.raises(ValueError, match="at least 2"):
        level_log_prob(torch.zeros(1, 1), torch.zeros(1, 1), level, 1)
