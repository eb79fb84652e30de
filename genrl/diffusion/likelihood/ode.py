"""The density of a diffusion model by its probability-flow ODE.

In the frame y = z/α, with the noise level σ̃ = σ/α = e^{-λ/2} = e^l as time,

    dy/dl = σ̃ ε̂(y),   log p(y_0) = log p(y_1) + ∫ σ̃ tr(∂ε̂/∂y) dl

from the clean end to the noisy one, where y_1 ~ N(0, 1 + σ̃_1²). The trace is Hutchinson's estimate
vᵀ (∂ε̂/∂y) v with one Rademacher vector v for each example, which is exact where the Jacobian is
diagonal. The solver is the classical Runge-Kutta method of order 4 with equal steps in l. Song et
al. 2021, Score-Based Generative Modeling through Stochastic Differential Equations, appendix D.2;
Hutchinson 1989.
"""

import math

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.likelihood.bound import decoder_nats
from genrl.diffusion.likelihood.decoders import gaussian_log_prob
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.typing import Batch, Data, Labels


def flow_log_prob(
    denoiser: ConditionalDenoise,
    y: Data,
    label: Labels | None,
    schedule: NoiseSchedule,
    *,
    generator: torch.Generator,
    log_snr: float | None = None,
    steps: int = 64,
) -> Batch:
    """log p(y) of each example in nats, summed over its entries.

    Args:
        denoiser: the model.
        y: z/α at ``log_snr``.
        label: class of each, or None.
        schedule: of the model.
        generator: of the Rademacher vectors.
        log_snr: λ where y lies; None is the schedule's clean end.
        steps: of the solver, four evaluations each.

    Raises:
        ValueError: if ``steps < 1``.
    """
    if steps < 1:
        raise ValueError(f"the solver needs at least 1 step, not {steps}")
    clean, noisy = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    start, end = -0.5 * (clean if log_snr is None else log_snr), -0.5 * noisy
    probe = torch.randint(2, y.shape, generator=generator, device=generator.device)
    probe = (2 * probe - 1).to(y)
    width = (end - start) / steps
    gain = torch.zeros(len(y), dtype=torch.float64, device=y.device)
    for index in range(steps):
        low = start + index * width
        k1, g1 = _slope(denoiser, y, label, schedule, low, probe)
        k2, g2 = _slope(denoiser, y + 0.5 * width * k1, label, schedule, low + width / 2, probe)
        k3, g3 = _slope(denoiser, y + 0.5 * width * k2, label, schedule, low + width / 2, probe)
        k4, g4 = _slope(denoiser, y + width * k3, label, schedule, low + width, probe)
        y = y + width / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        gain = gain + width / 6 * (g1 + 2 * g2 + 2 * g3 + g4)
    spread = torch.tensor(math.hypot(1, math.exp(end))).to(y)
    last = gaussian_log_prob(y, torch.zeros_like(y), spread)
    return last.flatten(1).double().sum(dim=1) + gain


def flow_nats(
    denoiser: ConditionalDenoise,
    x: Data,
    label: Labels | None,
    schedule: NoiseSchedule,
    *,
    num_levels: int | None,
    dequantization: str,
    log_snr: float,
    seed: int,
    steps: int = 64,
) -> Batch:
    """-log p(x) by the ODE in nats for each entry of each example; a bound where x has levels.

    ``variational`` dequantization draws y from N(x, σ̃²), the noise of the model's own clean end:
    log P(x) >= E[log p(y) - log q(y | x) + log P(x | y)], with the decoder of the variational
    bound. ``uniform`` draws y from the cell of x.

    Args:
        denoiser: the model.
        x: clean data.
        label: class of each, or None.
        schedule: of the model.
        num_levels: of the data; None for real numbers, whose density is that of x itself.
        dequantization: ``variational`` or ``uniform``.
        log_snr: λ of the clean end.
        seed: of noise and Rademacher vectors.
        steps: of the solver.

    Raises:
        ValueError: if the dequantization is neither.
    """
    if dequantization not in ("variational", "uniform"):
        raise ValueError(f"dequantization is variational or uniform, not '{dequantization}'")
    generator = torch.Generator().manual_seed(seed)

    def log_prob(y: Data) -> Batch:
        return flow_log_prob(
            denoiser, y, label, schedule, generator=generator, log_snr=log_snr, steps=steps
        )

    size = x[0].numel()
    if num_levels is None:
        return -log_prob(x) / size
    if dequantization == "uniform":
        half = 1 / (num_levels - 1)
        cell = 2 * torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device) - 1
        return -log_prob(x + half * cell) / size - math.log(2 * half)
    time = schedule.time(torch.tensor([log_snr], dtype=torch.float64, device=x.device))
    level = schedule.level_like(time, x)
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    std = level.sigma / level.alpha
    y = x + std * noise
    own = gaussian_log_prob(y, x, std).flatten(1).mean(dim=1)
    return own - log_prob(y) / size + decoder_nats(x, level.alpha * y, level, num_levels)


def _slope(
    denoiser: ConditionalDenoise,
    y: Data,
    label: Labels | None,
    schedule: NoiseSchedule,
    log_sigma: float,
    probe: Data,
) -> tuple[Data, Tensor]:
    """dy/dl, and the estimate of its divergence."""
    time = schedule.time(torch.tensor([-2 * log_sigma], dtype=torch.float64, device=y.device))
    level = schedule.level_like(time, y)
    with torch.enable_grad():
        y = y.detach().requires_grad_(True)
        eps = denoiser(level.alpha * y, time.expand(len(y)), label).eps
        slope = level.sigma / level.alpha * eps
        (turned,) = torch.autograd.grad(slope, y, probe)
    return slope.detach(), (turned * probe).flatten(1).sum(dim=1).double()
