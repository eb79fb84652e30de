"""How to go from one noise level to another, up or down, without losing digits.

With λ = log(α²/σ²), a step t -> s towards the data (λ_s > λ_t) and a prediction x at t, every
first-order sampler is

    z_s = (σ_s/σ_t) √(1 - η²(1 - r)) (z_t - α_t x) + α_s x + η √(1 - r) σ_s ε,   r = e^{λ_t - λ_s}

η = 0 is DDIM (Song et al. 2021), η = 1 the posterior q(z_s | z_t, x) of DDPM (Ho et al. 2020). The
factor of x, α_s - (σ_s/σ_t) √(...) α_t, is a difference of nearly equal numbers for small steps;
written as -α_s expm1(...) it is exact. The way up, q(z_t | z_s), is `diffuse`. Both hold for any α
and σ, variance preserving or not.
"""

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.typing import Data


def like_data(value: Tensor, data: Data) -> Tensor:
    """A value per example in data's type and rank; a scalar on the CPU fits any data as it is."""
    if value.ndim == 0:
        return value
    return value.to(data).reshape(-1, *(1,) * (data.ndim - 1))


def ddim_weights(
    schedule: NoiseSchedule, t: Tensor, s: Tensor, *, eta: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The factors of z_t and x in the mean of z_s, in float64 and the shape of t and s.

    Args:
        schedule: noise schedule.
        t: time of z; float64 keeps all digits.
        s: time to go to, s < t.
        eta: 0 for the deterministic step, 1 for the mean of the posterior.
    """
    return weights_between(schedule.level(t.double()), schedule.level(s.double()), eta=eta)


def weights_between(
    start: NoiseLevel, end: NoiseLevel, *, eta: float = 0.0
) -> tuple[Tensor, Tensor]:
    """`ddim_weights` of a step between two levels, in float64 for all digits."""
    fall = start.log_snr - end.log_snr
    ratio = end.sigma / start.sigma
    if eta == 0:
        return ratio, -end.alpha * torch.expm1(0.5 * fall)
    # The same root twice: the sum keeps its digits for large steps, the logarithm for small ones.
    of_z = ratio * (1 - eta**2 + eta**2 * fall.exp()).sqrt()
    log_shrink = 0.5 * torch.log1p(eta**2 * torch.expm1(fall))
    return of_z, -end.alpha * torch.expm1(0.5 * fall + log_shrink)


def ddim_step(
    z: Data, x: Data, schedule: NoiseSchedule, t: Tensor, s: Tensor, *, eta: float = 0.0
) -> Data:
    """The mean of z_s given z_t and a prediction of x.

    Args:
        z: noisy data at t.
        x: predicted clean data.
        schedule: noise schedule.
        t: time of z, scalar or one for each example; float64 keeps all digits.
        s: time to go to, s < t.
        eta: 0 for the deterministic step, 1 for the mean of the posterior.
    """
    of_z, of_x = ddim_weights(schedule, t, s, eta=eta)
    return like_data(of_z, z) * z + like_data(of_x, z) * x


def posterior_std(schedule: NoiseSchedule, t: Tensor, s: Tensor) -> Tensor:
    """√(1 - r) σ_s, the standard deviation of q(z_s | z_t, x) for s < t, in float64."""
    log_snr_t, log_snr_s = schedule.log_snr(t.double()), schedule.log_snr(s.double())
    return (-torch.expm1(log_snr_t - log_snr_s)).sqrt() * schedule.log_sigma(log_snr_s).exp()


def sde_weights(
    schedule: NoiseSchedule, t: Tensor, s: Tensor, eta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The factors of z_t, x and ε in a step of the reverse-time SDE with noise η, in float64.

    z_s = (σ_s/σ_t) e^{-ηh} z_t + α_s (1 - e^{-(1+η)h}) x + σ_s √(1 - e^{-2ηh}) ε

    with h = ½ (λ_s - λ_t): the exact solution of dz = (f z - ½ (1 + η) g² score) dt + √η g dw for a
    constant x, and for η = 1 the posterior q(z_s | z_t, x).
    """
    log_snr_t, log_snr_s = schedule.log_snr(t.double()), schedule.log_snr(s.double())
    fall = 0.5 * (log_snr_t - log_snr_s)
    log_sigma = schedule.log_sigma(log_snr_s)
    of_z = (log_sigma - schedule.log_sigma(log_snr_t) + eta * fall).exp()
    of_x = -schedule.log_alpha(log_snr_s).exp() * torch.expm1((1 + eta) * fall)
    return of_z, of_x, (-torch.expm1(2 * eta * fall)).sqrt() * log_sigma.exp()


def diffuse_weights(schedule: NoiseSchedule, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The factors of z_s and ε in a draw of q(z_t | z_s) for s <= t, in float64.

    z_t = (α_t/α_s) z_s + √(1 - e^{λ_t - λ_s}) σ_t ε
    """
    log_snr_s, log_snr_t = schedule.log_snr(s.double()), schedule.log_snr(t.double())
    of_z = (schedule.log_alpha(log_snr_t) - schedule.log_alpha(log_snr_s)).exp()
    std = (-torch.expm1(log_snr_t - log_snr_s)).sqrt() * schedule.log_sigma(log_snr_t).exp()
    return of_z, std


def diffuse(z: Data, noise: Data, schedule: NoiseSchedule, s: Tensor, t: Tensor) -> Data:
    """A draw of q(z_t | z_s), see `diffuse_weights`.

    Args:
        z: noisy data at s.
        noise: standard normal.
        schedule: noise schedule.
        s: time of z, scalar or one for each example.
        t: time to go to.
    """
    of_z, std = diffuse_weights(schedule, s, t)
    return like_data(of_z, z) * z + like_data(std, z) * noise
