"""The density of the probability-flow ODE, against densities in closed form."""

import math

import pytest
import torch

from genrl.diffusion import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    LinearSchedule,
    NoiseSchedule,
)
from genrl.diffusion.likelihood import flow_log_prob, flow_nats

F64 = torch.float64


@pytest.mark.parametrize(
    "schedule",
    [CosineSchedule(), FlowSchedule(), EdmSchedule(sigma_max=1e4), CosineSchedule(log_snr_max=9.0)],
)
def test_a_gaussian_is_exact(schedule: NoiseSchedule) -> None:
    """At the clean end the model's density is that of the noisy data there, in the frame z/α."""
    mean, std = torch.tensor([0.3, -0.2, 0.1], dtype=F64), torch.tensor([0.5, 0.2, 1.5], dtype=F64)
    model = GaussianDenoiser(schedule, mean, std)
    y = mean + std * torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=F64)
    found = flow_log_prob(
        model, y, None, schedule, generator=torch.Generator().manual_seed(1), steps=200
    )
    level = schedule.level(torch.zeros((), dtype=F64))
    spread = torch.hypot(std, level.sigma / level.alpha)
    wanted = torch.distributions.Normal(mean, spread).log_prob(y).sum(1)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_the_solver_is_of_order_4() -> None:
    schedule = CosineSchedule()
    model = GaussianDenoiser(schedule, torch.zeros(1, dtype=F64), torch.full((1,), 0.5, dtype=F64))
    y = torch.tensor([[0.7]], dtype=F64)
    level = schedule.level(torch.zeros((), dtype=F64))
    spread = math.hypot(0.5, (level.sigma / level.alpha).item())
    exact = -0.5 * (0.7 / spread) ** 2 - math.log(spread) - 0.5 * math.log(2 * math.pi)
    errors = [
        abs(
            flow_log_prob(
                model, y, None, schedule, generator=torch.Generator().manual_seed(0), steps=steps
            ).item()
            - exact
        )
        for steps in (32, 64)
    ]
    assert 3.5 < math.log2(errors[0] / errors[1]) < 5


def test_a_mixture_in_the_plane_is_unbiased() -> None:
    """Hutchinson's trace is random where the Jacobian is not diagonal: means over many probes."""
    schedule = CosineSchedule(log_snr_max=8.0)
    means = torch.tensor([[1.0, 0.4], [-0.6, 0.8], [0.2, -1.0]], dtype=F64)
    model = GaussianMixtureDenoiser(schedule, means, torch.tensor(0.3, dtype=F64))
    y = torch.tensor([[0.3, 0.1]], dtype=F64)
    count = 400
    found = flow_log_prob(
        model,
        y.expand(count, 2).contiguous(),
        None,
        schedule,
        generator=torch.Generator().manual_seed(0),
        steps=100,
    )
    zero = torch.zeros(1, dtype=F64)
    level = schedule.level(zero[0])
    # The density of z is that of y, divided by α for each of the two entries.
    wanted = model.log_prob(level.alpha * y, zero).item() + 2 * level.alpha.log().item()
    assert found.std() > 1e-3
    error = 4 * found.std().item() / math.sqrt(count)
    assert found.mean().item() == pytest.approx(wanted, abs=error + 1e-4)


@pytest.mark.parametrize("dequantization", ["variational", "uniform"])
def test_dequantized_levels_of_a_broad_gaussian(dequantization: str) -> None:
    """A density that hardly changes within a cell of 1/128 gives P(x) = p(x) · cell."""
    schedule = CosineSchedule()
    zero = torch.zeros(256, dtype=F64)
    model = GaussianDenoiser(schedule, zero, zero + 0.4)
    x = torch.linspace(-1, 1, 256, dtype=F64)[None]
    found = flow_nats(
        model,
        x,
        None,
        schedule,
        num_levels=256,
        dequantization=dequantization,
        log_snr=11.0,
        seed=0,
    )
    wanted = -torch.distributions.Normal(0.0, 0.4).log_prob(x).mean() - math.log(2 / 255)
    # A variational bound is above; the noise of e^-5.5 is as broad as a cell, so little is lost.
    assert wanted.item() - 0.02 < found.item() < wanted.item() + 0.05


def test_unknown_dequantization_and_no_steps_are_refused() -> None:
    schedule = LinearSchedule()
    model = GaussianDenoiser(schedule, torch.zeros(1), torch.ones(1))
    with pytest.raises(ValueError, match="variational or uniform, not 'none'"):
        flow_nats(
            model, torch.zeros(1, 1), None, schedule,
            num_levels=2, dequantization="none", log_snr=5.0, seed=0,
        )  # fmt: skip
    with pytest.raises(ValueError, match="at least 1 step"):
        flow_log_prob(
            model, torch.zeros(1, 1), None, schedule, generator=torch.Generator(), steps=0
        )
