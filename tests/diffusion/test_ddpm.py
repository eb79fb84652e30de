"""The discrete process of Ho et al. 2020, written with its betas, against the components."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from genrl.diffusion import GaussianDenoiser, LinearSchedule, UniformTimeGrid, diffuse
from genrl.diffusion.likelihood import discretized_gaussian_log_prob
from genrl.diffusion.transitions import ddim_step, posterior_std

T = 1000
BETAS = np.linspace(1e-4, 0.02, T)
ALPHA_BAR = np.cumprod(1 - BETAS)


def time(index: int) -> Tensor:
    """Entry ``index`` of the table on the continuous axis."""
    return torch.tensor(index / (T - 1), dtype=torch.float64)


def one(value: float) -> Tensor:
    return torch.tensor([[value]], dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 2, 10, 500, 998, 999])
def test_posterior_coefficients(k: int) -> None:
    schedule = LinearSchedule()
    noise_left = 1 - ALPHA_BAR[k]
    of_x = math.sqrt(ALPHA_BAR[k - 1]) * BETAS[k] / noise_left
    of_z = math.sqrt(1 - BETAS[k]) * (1 - ALPHA_BAR[k - 1]) / noise_left
    variance = BETAS[k] * (1 - ALPHA_BAR[k - 1]) / noise_left
    t, s = time(k), time(k - 1)
    found_x = ddim_step(one(0.0), one(1.0), schedule, t, s, eta=1.0).item()
    found_z = ddim_step(one(1.0), one(0.0), schedule, t, s, eta=1.0).item()
    assert found_x == pytest.approx(of_x, rel=1e-9)
    assert found_z == pytest.approx(of_z, rel=1e-9)
    assert posterior_std(schedule, t, s).item() ** 2 == pytest.approx(variance, rel=1e-9)


def test_all_single_steps_make_the_marginal() -> None:
    schedule = LinearSchedule()
    level = schedule.level(time(0))
    signal, variance = level.alpha.item(), level.sigma.item() ** 2
    for k in range(1, T):
        keep = diffuse(one(1.0), one(0.0), schedule, time(k - 1), time(k)).item()
        add = diffuse(one(0.0), one(1.0), schedule, time(k - 1), time(k)).item()
        assert add**2 == pytest.approx(BETAS[k], rel=1e-8)
        signal, variance = keep * signal, keep**2 * variance + add**2
    assert signal == pytest.approx(math.sqrt(ALPHA_BAR[-1]), rel=1e-9)
    assert variance == pytest.approx(1 - ALPHA_BAR[-1], rel=1e-12)


def test_a_grid_of_all_steps_is_the_table() -> None:
    schedule = LinearSchedule()
    times = UniformTimeGrid(schedule).times(T - 1)
    expected = np.log(ALPHA_BAR / (1 - ALPHA_BAR))[::-1].copy()
    torch.testing.assert_close(
        schedule.log_snr(times), torch.from_numpy(expected), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("std", [0.3, 1.0, 2.0])
def test_the_bound_of_the_ideal_model_is_the_entropy_and_a_little(std: float) -> None:
    schedule = LinearSchedule()
    denoiser = GaussianDenoiser(schedule, one(0.0)[0], one(std)[0])
    times = torch.arange(T, dtype=torch.float64) / (T - 1)
    level = schedule.level(times)
    slope = denoiser(torch.ones(T, 1, dtype=torch.float64), times).x[:, 0]
    error = std**2 * (1 - slope * level.alpha)
    snr = level.log_snr.exp()
    steps = 0.5 * ((snr[:-1] - snr[1:]) * error[1:]).sum().item()
    a, b = level.alpha[-1].item() ** 2 * std**2, level.sigma[-1].item() ** 2
    prior = 0.5 * (a + b - math.log(b) - 1)
    decoder = 0.5 * math.log(2 * math.pi * math.e * error[0].item())
    entropy = 0.5 * math.log(2 * math.pi * math.e * std**2)
    continuous = 0.5 * math.log((1 + std**2 * snr[0].item()) / (1 + std**2 * snr[-1].item()))
    assert decoder + continuous == pytest.approx(
        entropy - 0.5 * math.log1p(std**2 * snr[-1]), abs=1e-9
    )
    by_betas = ALPHA_BAR / (1 - ALPHA_BAR)
    terms = 0.5 * (by_betas[:-1] - by_betas[1:]) * std**2 / (1 + std**2 * by_betas[1:])
    assert steps == pytest.approx(terms.sum(), rel=1e-9)
    # A thousand steps cost something beyond the continuous bound, and the bound stays a bound.
    assert 0 < steps - continuous < 0.6
    assert 0 < decoder + steps + prior - entropy < 0.6


@pytest.mark.parametrize("num_values", [2, 16, 256])
@pytest.mark.parametrize("mean", [-1.3, -0.2, 0.0, 0.77, 3.0])
@pytest.mark.parametrize("std", [1e-3, 0.05, 2.0])
def test_decoder_sums_to_one(num_values: int, mean: float, std: float) -> None:
    x = torch.linspace(-1, 1, num_values, dtype=torch.float64)
    log_prob = discretized_gaussian_log_prob(
        x, torch.full_like(x, mean), torch.full_like(x, std), num_values
    )
    assert not log_prob.isnan().any()
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_decoder_is_the_mass_of_the_bin() -> None:
    x = torch.linspace(-1, 1, 256, dtype=torch.float64)
    found = discretized_gaussian_log_prob(x, torch.zeros_like(x), torch.full_like(x, 0.2)).exp()
    edges = (x.numpy()[:-1] + x.numpy()[1:]) / 2
    expected = np.diff(norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]), scale=0.2))
    np.testing.assert_allclose(found.numpy()[:128], expected[:128], rtol=1e-10)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="num_values"):
        discretized_gaussian_log_prob(x, x, x, 1)
