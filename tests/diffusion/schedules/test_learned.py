"""The learned schedule: its ends follow the bound, its shape the variance of the estimate."""

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    Denoiser,
    EpsParameterization,
    GaussianDenoiser,
    LearnedSchedule,
    LogSnrTimeGrid,
    LowDiscrepancyTimeSampler,
    NoGuidance,
    NoiseSchedule,
    Parts,
    UniformTimeGrid,
    VariationalObjective,
    VdmLinearSchedule,
    VlbWeighting,
)
from genrl.networks import MLP
from genrl.typing import DataSpec

F64 = torch.float64
STD = 0.5  # of the data, N(0, 0.25)


def objective(schedule: NoiseSchedule) -> VariationalObjective:
    sampler, grid = LowDiscrepancyTimeSampler(schedule), UniformTimeGrid(schedule)
    return VariationalObjective(
        Parts(schedule, VlbWeighting(schedule), sampler, grid, NoGuidance(0), 0)
    )


def exact(schedule: NoiseSchedule) -> GaussianDenoiser:
    zero = torch.zeros(1, dtype=F64)
    return GaussianDenoiser(schedule, zero, zero + STD)


def variance_over_time(schedule: NoiseSchedule) -> float:
    """Of -½ SNR'(t) E||x - x̂||², whose mean is the bound, for an exact denoiser.

    The integrand is -½ dλ/dt s² SNR / (1 + s² SNR).
    """
    t = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    with torch.no_grad():
        signal = STD**2 * schedule.log_snr(t).exp()
        value = -0.5 * schedule.log_snr_derivative(t) * signal / (1 + signal)
    return value.var(correction=0).item()


def test_training_lowers_the_variance_and_leaves_fixed_ends() -> None:
    schedule = LearnedSchedule(features=32, use_learned_ends=False).requires_grad_(True)
    loss, model = objective(schedule), exact(schedule)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(schedule.parameters(), lr=2e-2)
    for update in range(500):
        optimizer.param_groups[0]["lr"] = 2e-2 * (1 - update / 500)
        x = STD * torch.randn(256, 1, generator=generator, dtype=F64)
        optimizer.zero_grad()
        loss(model, None, x, None, generator).loss.backward()
        optimizer.step()
    linear = variance_over_time(VdmLinearSchedule())
    assert linear == pytest.approx(14.46, rel=1e-3)
    assert variance_over_time(schedule) < 0.2 * linear
    ends = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=F64))
    assert ends.tolist() == pytest.approx([13.3, -5.0], abs=1e-12)


def test_gradients_are_those_of_the_loss_at_the_ends_and_of_its_square_between_them() -> None:
    """Against two plain backward passes through a schedule that nobody steers."""
    schedule = LearnedSchedule(features=4).requires_grad_(True)
    x = STD * torch.randn(16, 1, generator=torch.Generator().manual_seed(1), dtype=F64)

    def loss() -> Tensor:
        generator = torch.Generator().manual_seed(2)
        return objective(schedule)(exact(schedule), None, x, None, generator).loss

    loss().backward()
    found = {name: p.grad for name, p in schedule.named_parameters()}
    generator = torch.Generator().manual_seed(2)
    t = LowDiscrepancyTimeSampler(schedule).sample(16, generator)
    noise = torch.randn(16, 1, generator=generator, dtype=F64)
    schedule._steering = None
    prediction = exact(schedule)(schedule.perturb(x, t, noise), t)
    losses = VlbWeighting(schedule)(t) * (prediction.x - x).square()[:, 0]
    squares = losses.square() / (2 * losses.detach().mean())
    inner = [p for n, p in schedule.named_parameters() if n not in ("highest", "log_span")]
    wanted = torch.autograd.grad(squares.mean(), inner)
    for parameter, gradient in zip(inner, wanted, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-9)
    # The ends: one number changed at a time.
    result = loss()
    step = 1e-2
    for name in ("highest", "log_span"):
        parameter = schedule.get_parameter(name)
        with torch.no_grad():
            parameter += step
            above = loss().item()
            parameter -= 2 * step
            below = loss().item()
            parameter += step
        assert found[name].item() == pytest.approx((above - below) / (2 * step), rel=2e-3)
    assert result.isfinite()


def test_no_gradient_until_an_objective_asks_for_it() -> None:
    schedule = LearnedSchedule()
    assert not any(parameter.requires_grad for parameter in schedule.parameters())
    assert not LogSnrTimeGrid(schedule).times(4).requires_grad


def test_it_lives_in_the_denoiser() -> None:
    schedule = LearnedSchedule(features=3)
    denoiser = Denoiser(MLP(DataSpec((2,))), schedule, EpsParameterization())
    names = {name for name, _ in denoiser.named_parameters() if name.startswith("schedule.")}
    assert names == {
        f"schedule.{name}"
        for name in ("highest", "log_span", "log_slope", "log_weights", "log_steepness", "offsets")
    }


def test_a_shape_without_sigmoids_is_refused() -> None:
    with pytest.raises(ValueError, match="features must be at least 1"):
        LearnedSchedule(features=0)
    with pytest.raises(ValueError, match="must be below"):
        LearnedSchedule(log_snr_min=3.0, log_snr_max=3.0)
