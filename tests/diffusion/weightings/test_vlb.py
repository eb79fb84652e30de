"""The variational bound of Gaussian data in closed form (Kingma et al. 2021).

For x ~ N(0, s²) the least error of x is s² / (1 + s² SNR), so that the diffusion part of the bound
is ½ log((1 + s² SNR(0)) / (1 + s² SNR(1))) nats, whatever the schedule does between its ends.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LinearSchedule,
    NoiseSchedule,
    VdmLinearSchedule,
)
from genrl.diffusion.weightings import VlbWeighting

STD = 0.5


class CubicSchedule(NoiseSchedule):
    """γ(t) = -13.3 + 18.3 (0.4 t + 0.6 t³)."""

    def log_snr(self, t: Tensor) -> Tensor:
        return 13.3 - 18.3 * (0.4 * t + 0.6 * t**3)

    def time(self, log_snr: Tensor) -> Tensor:
        raise NotImplementedError


def quadrature(breaks: Tensor) -> tuple[Tensor, Tensor]:
    """Times and weights of a Gauss-Legendre rule of 8 nodes between neighbouring breaks."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(8))
    width = breaks.diff()[:, None]
    times = breaks[:-1, None] + width * (nodes + 1) / 2
    return times.flatten(), (width * weights / 2).flatten()


def integrand(schedule: NoiseSchedule, times: Tensor) -> Tensor:
    """-½ SNR'(t) E||x - x̂||² with the expectation over x and ε by an exact Gauss-Hermite rule."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(2))
    first, second = torch.meshgrid(nodes, nodes, indexing="ij")
    share = (weights[:, None] * weights / weights.sum() ** 2).flatten()
    x = (STD * first).flatten().expand(len(times), -1)
    z = schedule.perturb(x, times, second.flatten().expand(len(times), -1))
    zero = torch.zeros((), dtype=torch.float64)
    prediction = GaussianDenoiser(schedule, zero, zero + STD)(z, times)
    error = ((prediction.x - x).square() * share).sum(dim=1)
    return VlbWeighting(schedule)(times) * error


def even_in_log_snr(schedule: NoiseSchedule) -> Tensor:
    ends = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    return schedule.time(torch.linspace(*ends, 257, dtype=torch.float64))


def knots() -> Tensor:
    return torch.linspace(0, 1, 1000, dtype=torch.float64)


def inside_the_clamp() -> Tensor:
    """Breaks up to where the flow schedule's λ of ±20 is clamped: t = sigmoid(∓10)."""
    return torch.sigmoid(torch.linspace(-10, 10, 257, dtype=torch.float64))


@pytest.mark.parametrize(
    ("schedule", "breaks"),
    [
        (VdmLinearSchedule(), knots()),
        (CosineSchedule(log_snr_min=-5.0, log_snr_max=13.3), None),
        (CubicSchedule(), knots()),
    ],
)
def test_the_bound_does_not_depend_on_the_schedule(
    schedule: NoiseSchedule, breaks: Tensor | None
) -> None:
    times, weights = quadrature(even_in_log_snr(schedule) if breaks is None else breaks)
    bound = (integrand(schedule, times) * weights).sum().item()
    assert bound == pytest.approx(5.95601463, abs=1e-8)


@pytest.mark.parametrize(
    ("schedule", "breaks"),
    [
        (CosineSchedule(), None),
        (EdmSchedule(), None),
        (FlowSchedule(), inside_the_clamp()),
        (LinearSchedule(), knots()),
    ],
)
def test_the_bound_of_every_other_schedule(schedule: NoiseSchedule, breaks: Tensor | None) -> None:
    times, weights = quadrature(even_in_log_snr(schedule) if breaks is None else breaks)
    bound = (integrand(schedule, times) * weights).sum().item()
    clean, noisy = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).exp().tolist()
    expected = 0.5 * math.log((1 + STD**2 * clean) / (1 + STD**2 * noisy))
    assert bound == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("schedule", "published"),
    [(VdmLinearSchedule(), 14.46), (CosineSchedule(log_snr_min=-5.0, log_snr_max=13.3), 1107)],
)
def test_variance_over_time_of_the_estimate(schedule: NoiseSchedule, published: float) -> None:
    times, weights = quadrature(even_in_log_snr(schedule))
    value = integrand(schedule, times)
    mean = (value * weights).sum()
    variance = ((value - mean).square() * weights).sum().item()
    assert variance == pytest.approx(published, rel=1e-3)
