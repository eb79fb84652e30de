"""Proof of a noise schedule: log-SNR falls, its inverse is one, α and σ are those of log-SNR."""

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.testing.diffusion.figures import Figures, require, require_small

F64 = torch.float64


@torch.no_grad()
def check_schedule(schedule: NoiseSchedule) -> Figures:
    """λ is finite and falls (it may rest at its ends), `time` inverts it, α/σ = e^{λ/2}.

    Also: λ'(t) is the slope of λ, α never grows with t and σ never shrinks, and float32 gives the
    rounded float64.

    Returns:
        ``log_snr_max`` and ``log_snr_min`` at the ends, and the largest ``inverse_error`` (in t and
        in λ), ``level_error`` (2 log(α/σ) against λ) and ``slope_error`` (relative, median).

    Raises:
        CheckError: naming the first promise that is broken.
    """
    times = torch.linspace(0, 1, 1001, dtype=F64)
    log_snr = schedule.log_snr(times)
    require(bool(log_snr.isfinite().all()), "log-SNR is not finite at every time in [0, 1]")
    highest, lowest = log_snr[0].item(), log_snr[-1].item()
    figures = {"log_snr_max": highest, "log_snr_min": lowest}
    require(highest > lowest, "log-SNR must fall from t = 0 (data) to t = 1 (noise)", figures)
    inside = (log_snr < highest) & (log_snr > lowest)
    falls = log_snr.diff() < 0
    moves = inside[1:] | inside[:-1]
    require(bool(falls[moves].all()), "log-SNR must fall everywhere between its ends", figures)
    require(bool((log_snr.diff() <= 0).all()), "log-SNR must never rise", figures)

    wanted = torch.linspace(lowest, highest, 301, dtype=F64)
    there = times[inside]
    figures["inverse_error"] = max(
        _largest(schedule.time(log_snr[inside]) - there),
        _largest(schedule.log_snr(schedule.time(wanted)) - wanted),
    )
    require_small(figures, "inverse_error", 1e-6, "time(λ) does not invert log_snr(t)")
    beyond = schedule.time(torch.tensor([highest + 5, lowest - 5], dtype=F64))
    require(beyond.tolist() == [0, 1], "time(λ) beyond the ends must be 0 and 1", figures)
    _check_levels(schedule, times, figures)
    _check_slope(schedule, figures)
    return figures


def _check_levels(schedule: NoiseSchedule, times: Tensor, figures: Figures) -> None:
    level = schedule.level(times)
    implied = 2 * (level.alpha.log() - level.sigma.log())
    figures["level_error"] = _largest(implied - level.log_snr)
    require_small(figures, "level_error", 1e-6, "2 log(α/σ) is not log-SNR")
    slack = 1e-12
    grows = bool((level.alpha.diff() > slack * level.alpha[:-1]).any())
    require(not grows, "α must not grow with t", figures)
    shrinks = bool((level.sigma.diff() < -slack * level.sigma[:-1]).any())
    require(not shrinks, "σ must not shrink with t", figures)
    # Times that float32 holds exactly, so that the results differ by their last rounding alone.
    single = times.float()
    rounded, exact = schedule.level(single), schedule.level(single.double())
    for name in ("log_snr", "alpha", "sigma"):
        found, wanted = getattr(rounded, name), getattr(exact, name)
        require(found.dtype == torch.float32, f"{name} of float32 times is {found.dtype}", figures)
        close = torch.allclose(found.double(), wanted, rtol=1e-6, atol=1e-30)
        require(close, f"{name} loses digits in float32: compute it in float64", figures)


def _check_slope(schedule: NoiseSchedule, figures: Figures) -> None:
    """The median, for a table has corners."""
    times, step = torch.arange(1, 72, dtype=F64) * 0.0137, 1e-6
    numeric = (schedule.log_snr(times + step) - schedule.log_snr(times - step)) / (2 * step)
    slope = schedule.log_snr_derivative(times)
    relative = (slope - numeric).abs() / numeric.abs().clamp(min=1e-9)
    figures["slope_error"] = relative.median().item()
    require_small(figures, "slope_error", 1e-4, "log_snr_derivative is not the slope of log_snr")


def _largest(difference: Tensor) -> float:
    """NaN survives."""
    return difference.abs().max().item() if difference.numel() else 0.0
