"""The bound of an exact model of Gaussian data, against its closed form and the entropy."""

import math

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    CosineSchedule,
    GaussianDenoiser,
    LearnedSchedule,
    NoiseSchedule,
    Prediction,
    VdmLinearSchedule,
)
from genrl.diffusion.likelihood import continuous_terms, grid_terms

F64 = torch.float64
STD = 0.5
ENTROPY = 0.5 * math.log(2 * math.pi * math.e * STD**2)
SCHEDULES: list[NoiseSchedule] = [
    VdmLinearSchedule(),
    CosineSchedule(log_snr_min=-5.0, log_snr_max=13.3),
    LearnedSchedule(features=3),
]


def exact(schedule: NoiseSchedule) -> GaussianDenoiser:
    zero = torch.zeros(1, dtype=F64)
    return GaussianDenoiser(schedule, zero, zero + STD)


def data(count: int) -> Tensor:
    return STD * torch.randn(count, 1, generator=torch.Generator().manual_seed(0), dtype=F64)


def test_the_bound_in_closed_form_and_its_gap_to_the_entropy() -> None:
    """Deterministic: all products of x = ±s and ε = ±1, which have the moments of the Gaussians."""
    for schedule in SCHEDULES:
        times = schedule.time(torch.linspace(-5, 13.3, 20_001, dtype=F64)).clamp(0, 1)
        spent = 0.0
        width = 18.3 / 20_000
        for sign in (-1.0, 1.0):
            x = torch.full((20_001, 1), STD, dtype=F64)
            z = schedule.perturb(x, times, torch.full_like(x, sign))
            error = (exact(schedule)(z, times).eps - sign).square()[:, 0]
            spent += 0.25 * width * (error.sum() - error[[0, -1]].mean()).item()
        assert spent == pytest.approx(5.95601463, abs=1e-7)
        level = schedule.level_like(torch.ones(1, dtype=F64), x)
        signal, noise = level.alpha.square().item(), level.sigma.square().item()
        prior = 0.5 * (signal * STD**2 + noise - math.log(noise) - 1)
        decoding = 0.5 * (math.log(2 * math.pi * math.e) - 13.3)
        gap = spent + prior + decoding - ENTROPY
        assert 0 <= gap <= 2e-5


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_estimate_in_continuous_time(schedule: NoiseSchedule) -> None:
    x = data(4000)
    with torch.no_grad():
        found = continuous_terms(exact(schedule), x, None, schedule, num_levels=None, seed=1)
    assert found.log_snr[-1].item() == pytest.approx(13.3, abs=1e-6)
    diffusion = found.diffusion.sum(0)
    error = 4 * diffusion.std().item() / math.sqrt(len(x))
    assert error < 0.1
    assert diffusion.mean().item() == pytest.approx(5.95601463, abs=error)
    nats = found.nats(len(found.ends) - 1)
    error = 4 * nats.std().item() / math.sqrt(len(x))
    assert nats.mean().item() == pytest.approx(ENTROPY, abs=error)


def test_discrete_time_approaches_continuous_time_from_above() -> None:
    """L_T - L_inf of the linear schedule (reference/seeds_diffusion.md, A8): 4.646, 0.856, 0.1996.

    With x = ±s and ε = ±1 the mean over the four products is the expectation.
    """
    schedule = VdmLinearSchedule()
    x = torch.tensor([[STD], [STD], [-STD], [-STD]], dtype=F64)
    for steps, gap in ((16, 4.646), (64, 0.856), (256, 0.1996)):
        times = torch.arange(steps, 0, -1, dtype=F64) / steps
        spent = 0.0
        for time, following in zip(times, [*times[1:], torch.zeros((), dtype=F64)], strict=True):
            t = time.expand(4)
            noise = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=F64)
            error = (exact(schedule)(schedule.perturb(x, t, noise), t).x - x).square().mean()
            rise = schedule.log_snr(following).exp() - schedule.log_snr(time).exp()
            spent += 0.5 * (rise * error).item()
        assert spent - 5.95601463 == pytest.approx(gap, rel=2e-3)


def test_terms_of_a_grid_add_up_to_its_bound() -> None:
    """Against the sum written out, and its mean against the entropy: few steps cost more."""
    schedule, x = VdmLinearSchedule(), data(4000)
    times = torch.arange(64, 0, -1, dtype=F64) / 64
    terms = grid_terms(exact(schedule), x, None, schedule, times, num_levels=None, seed=0)
    chosen = [0, 20, 63]
    snr = schedule.log_snr(times[chosen]).exp()
    by_hand = (
        terms.prior
        + 0.5 * (snr[1] - snr[0]) * terms.error[0]
        + 0.5 * (snr[2] - snr[1]) * terms.error[20]
        + terms.decoder[63]
    )
    torch.testing.assert_close(terms.nats(chosen), by_hand)
    costs = terms.step_costs()
    mean = terms.prior.mean() + costs[0, 20] + costs[20, 63] + terms.decoder[63].mean()
    assert terms.nats(chosen).mean().item() == pytest.approx(mean.item(), rel=1e-12)
    assert (costs[torch.ones_like(costs).tril().bool()] == math.inf).all()
    bound = terms.nats()
    error = 4 * bound.std().item() / math.sqrt(len(x))
    assert ENTROPY - error < bound.mean() < ENTROPY + 0.856 + error
    assert terms.nats(chosen).mean() > bound.mean() + 1


def test_the_decoder_of_levels_pays_nothing_for_a_perfect_prediction() -> None:
    class Told:
        """Knows x."""

        def __init__(self, x: Tensor, schedule: NoiseSchedule) -> None:
            self.x, self.schedule = x, schedule

        def __call__(self, z, t, label=None, w=None) -> Prediction:
            return Prediction.from_x(self.x, z, self.schedule.level_like(t, z))

    schedule = CosineSchedule()
    x = (torch.arange(32).reshape(2, 16) % 17) / 8.0 - 1
    times = torch.tensor([1.0, 0.5], dtype=F64)
    terms = grid_terms(Told(x, schedule), x, None, schedule, times, num_levels=17, seed=0)
    assert terms.nats().max() < 1e-6
    assert terms.error.max() == 0


def test_times_that_do_not_fall_from_one_are_refused() -> None:
    schedule, x = VdmLinearSchedule(), data(2)
    for times in ([0.5, 0.2], [1.0, 1.0], [1.0, 0.2, 0.3]):
        with pytest.raises(ValueError, match="must fall"):
            grid_terms(
                exact(schedule), x, None, schedule, torch.tensor(times), num_levels=None, seed=0
            )
