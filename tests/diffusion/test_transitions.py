"""Steps between noise levels: textbook forms, high precision and linear algebra."""

import mpmath
import pytest
import torch

from genrl.diffusion.schedules import NoiseSchedule, VdmLinearSchedule, schedules
from genrl.diffusion.transitions import ddim_step, diffuse, posterior_std

F64 = torch.float64


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


@pytest.fixture(params=schedules.names())
def schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return schedules.build(request.param)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.9, 1.0])
def test_step_is_the_textbook_form(schedule: NoiseSchedule, eta: float) -> None:
    t, s = tensor(0.9, 0.6, 0.3), tensor(0.7, 0.2, 0.25)
    z, x = torch.randn(2, 3, 5, dtype=F64, generator=torch.Generator().manual_seed(0))
    at, to = schedule.level_like(t, z), schedule.level_like(s, z)
    r = (at.alpha * to.sigma / (at.sigma * to.alpha)) ** 2
    eps = (z - at.alpha * x) / at.sigma
    added = eta**2 * (1 - r) * to.sigma**2
    expected = to.alpha * x + (to.sigma**2 - added).sqrt() * eps
    torch.testing.assert_close(
        ddim_step(z, x, schedule, t, s, eta=eta), expected, rtol=1e-9, atol=1e-12
    )


def test_full_eta_gives_the_mean_of_the_posterior(schedule: NoiseSchedule) -> None:
    """q(z_s | z_t, x) from the joint Gaussian of (z_s, z_t) given x, by linear algebra."""
    t, s = tensor(0.8), tensor(0.3)
    at, to = schedule.level(t), schedule.level(s)
    forward = at.alpha / to.alpha
    x, z = tensor(0.7)[None], tensor(-0.4)[None]
    gain = forward * to.sigma**2 / at.sigma**2
    mean = to.alpha * x + gain * (z - at.alpha * x)
    variance = to.sigma**2 - gain * forward * to.sigma**2
    torch.testing.assert_close(
        ddim_step(z, x, schedule, t, s, eta=1.0), mean, rtol=1e-11, atol=1e-13
    )
    torch.testing.assert_close(posterior_std(schedule, t, s) ** 2, variance, rtol=1e-10, atol=0)


def test_scalar_time_is_the_same_time_for_every_example(schedule: NoiseSchedule) -> None:
    z, x, noise = torch.randn(3, 4, 2, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    t, s = tensor(0.8)[0], tensor(0.3)[0]
    each = (schedule, t.expand(4), s.expand(4))
    torch.testing.assert_close(
        ddim_step(z, x, schedule, t, s), ddim_step(z, x, *each), rtol=1e-15, atol=1e-15
    )
    torch.testing.assert_close(
        diffuse(z, noise, schedule, s, t), diffuse(z, noise, schedule, s.expand(4), t.expand(4))
    )
    assert ddim_step(z.float(), x.float(), schedule, t, s).dtype == torch.float32
    assert diffuse(z.float(), noise.float(), schedule, s, t).dtype == torch.float32


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("step", [1e-9, 1e-4, 0.9])
def test_factors_keep_their_digits(step: float, eta: float) -> None:
    """Both agree with 50-digit arithmetic; subtracting two α would lose half of the digits."""
    schedule = VdmLinearSchedule(log_snr_min=-20, log_snr_max=20)
    t = tensor(0.95)
    s = t - step
    log_snr_t, log_snr_s = schedule.log_snr(t).item(), schedule.log_snr(s).item()
    with mpmath.workdps(50):
        lt, ls = mpmath.mpf(log_snr_t), mpmath.mpf(log_snr_s)
        alpha_t, alpha_s = (mpmath.sqrt(1 / (1 + mpmath.exp(-v))) for v in (lt, ls))
        sigma_t, sigma_s = (mpmath.sqrt(1 / (1 + mpmath.exp(v))) for v in (lt, ls))
        of_z = sigma_s / sigma_t * mpmath.sqrt(1 - mpmath.mpf(eta) ** 2 * (1 - mpmath.exp(lt - ls)))
        of_x = alpha_s - of_z * alpha_t
    zero, one = tensor(0.0)[None], tensor(1.0)[None]
    measured_z = ddim_step(one, zero, schedule, t, s, eta=eta).item()
    measured_x = ddim_step(zero, one, schedule, t, s, eta=eta).item()
    assert measured_z == pytest.approx(float(of_z), rel=1e-14)
    assert measured_x == pytest.approx(float(of_x), rel=1e-13)


def test_diffusion_keeps_the_marginal(schedule: NoiseSchedule) -> None:
    """α and σ² at t follow from those at s: mean and variance of the forward process."""
    s, t = tensor(0.2, 0.5, 0.4), tensor(0.9, 0.55, 0.4)
    low, high = schedule.level(s), schedule.level(t)
    one, zero = torch.ones(3, 1, dtype=F64), torch.zeros(3, 1, dtype=F64)
    factor = diffuse(one, zero, schedule, s, t)[:, 0]
    added = diffuse(zero, one, schedule, s, t)[:, 0] ** 2
    torch.testing.assert_close(factor * low.alpha, high.alpha, rtol=1e-13, atol=0)
    torch.testing.assert_close(factor**2 * low.sigma**2 + added, high.sigma**2, rtol=1e-12, atol=0)
    assert added[2] == 0
