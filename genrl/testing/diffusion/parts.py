"""Proofs of the small parts: time grids, time samplers, weightings and thresholding."""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.cosine import CosineSchedule
from genrl.diffusion.thresholding.base import Thresholding
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.time_samplers.base import TimeSampler
from genrl.diffusion.weightings.base import Weighting
from genrl.testing.diffusion.figures import Figures, require, require_small

F64 = torch.float64


@torch.no_grad()
def check_time_grid(grid: TimeGrid) -> Figures:
    """N steps are N + 1 float64 times that fall to 0 within [0, 1]; no step is a ValueError.

    The last two may both be 0, where the last evaluation is at the clean end. A grid of a fixed
    number of steps refuses the others with a ValueError.

    Returns:
        ``largest_step`` in log-SNR of the grid of 64 steps, or of the longest one that there is.

    Raises:
        CheckError: naming the first promise that is broken.
    """
    try:
        grid.times(0)
    except ValueError:
        pass
    else:
        require(False, "a grid of 0 steps must be a ValueError")
    figures: Figures = {}
    for steps in (1, 2, 3, 4, 8, 16, 18, 32, 64):
        try:
            times = grid.times(steps)
        except ValueError:
            continue
        which = f"the grid of {steps} steps"
        require(times.shape == (steps + 1,), f"{which} has {len(times)} times, not {steps + 1}")
        require(times.dtype == F64, f"{which} is {times.dtype}, not float64")
        require(not times.requires_grad, f"{which} asks for a gradient: detach it")
        require(bool((times[:-1].diff() < 0).all()), f"{which} does not fall: {times.tolist()}")
        require(times[-1].item() == 0, f"{which} ends at {times[-1].item():.3g}, not at 0")
        require(bool((times[-2] >= 0) & (times[0] <= 1)), f"{which} leaves [0, 1]")
        if steps > 1:
            log_snr = grid.schedule.log_snr(times[:-1])
            figures = {"largest_step": log_snr.diff().max().item()}
    require(bool(figures), "no number of steps from 2 to 64 is accepted")
    return figures


@torch.no_grad()
def check_weighting(weighting: Weighting) -> Figures:
    """Weights are finite and not negative at every time, not all zero, in the type and shape of t.

    Returns:
        ``smallest`` and ``largest`` weight over [0, 1].

    Raises:
        CheckError: naming the first promise that is broken.
    """
    for dtype in (torch.float32, F64):
        times = torch.linspace(0, 1, 257, dtype=dtype)
        weights = weighting(times)
        require(
            weights.shape == times.shape and weights.dtype == dtype,
            f"weights of {len(times)} times in {dtype} are {tuple(weights.shape)} in "
            f"{weights.dtype}",
        )
        figures = {"smallest": weights.min().item(), "largest": weights.max().item()}
        require(bool(weights.isfinite().all()), "a weight is not finite", figures)
        require(bool((weights >= 0).all()), "a weight is negative", figures)
        require(bool((weights > 0).any()), "every weight is zero", figures)
    return figures


def check_time_sampler(sampler: TimeSampler) -> Figures:
    """Times lie in [0, 1], are float32, and are a function of the generator alone.

    Returns:
        ``smallest``, ``mean`` and ``largest`` of 4096 times.

    Raises:
        CheckError: naming the first promise that is broken.
    """

    def draw(batch: int, seed: int) -> torch.Tensor:
        return sampler.sample(batch, torch.Generator().manual_seed(seed))

    times = draw(4096, 0)
    require(
        times.shape == (4096,) and times.dtype == torch.float32,
        f"4096 times are {tuple(times.shape)} in {times.dtype}, not float32",
    )
    figures = {
        "smallest": times.min().item(),
        "mean": times.mean().item(),
        "largest": times.max().item(),
    }
    require(bool(((times >= 0) & (times <= 1)).all()), "times leave [0, 1]", figures)
    require(bool(times.min() < times.max()), "every time is the same", figures)
    require(torch.equal(times, draw(4096, 0)), "the same generator gives other times", figures)
    require(not torch.equal(times, draw(4096, 1)), "the generator is not used", figures)
    require(draw(1, 0).shape == (1,), "one time must be a batch of one", figures)
    return figures


@torch.no_grad()
def check_thresholding(thresholding: Thresholding) -> Figures:
    """α x + σ ε = z afterwards; x inside [-1, 1] stays; each example is treated by itself.

    Returns:
        The ``consistency_error`` of z, and the ``largest`` x that is left of values up to 5.

    Raises:
        CheckError: naming the first promise that is broken.
    """
    generator = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, 6, 3, 4, 4, generator=generator, dtype=F64)
    x *= torch.linspace(0.1, 2, 6, dtype=F64).reshape(-1, 1, 1, 1)
    level = CosineSchedule().level_like(torch.linspace(0.1, 0.9, 6, dtype=F64), z)
    found = thresholding(Prediction.from_x(x, z, level), z)
    rebuilt = level.alpha * found.x + level.sigma * found.eps
    figures = {
        "consistency_error": (rebuilt - z).abs().max().item(),
        "largest": found.x.abs().max().item(),
    }
    require_small(figures, "consistency_error", 1e-10, "α x + σ ε of the limited x is not z")
    inside = x / x.abs().amax() * 0.99
    kept = torch.allclose(thresholding.limit(inside), inside, rtol=0, atol=1e-12)
    require(kept, "x inside [-1, 1] must stay as it is", figures)
    alone = torch.cat([thresholding.limit(row) for row in x.split(1)])
    require(
        torch.allclose(thresholding.limit(x), alone, rtol=0, atol=1e-12),
        "an example must not depend on the others of its batch",
        figures,
    )
    return figures
