"""Mean and standard deviation of a stochastic sampler's samples, without the error of drawing.

The exact denoiser of Gaussian data is linear, so a sampler that is linear in its noise gives x =
a + Σ_j c_j ξ_j: mean a, variance Σ c_j². Noise whose columns have mean 0, variance 1 and no
correlation over the batch gives exactly these two numbers. Walsh functions are such columns: rows
of signs, orthogonal to one another and to the constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler
from genrl.testing.diffusion.figures import CheckError
from genrl.testing.diffusion.oracle import MEAN, STD
from genrl.typing import Batch, Data

F64 = torch.float64
ENTRIES = 4


@dataclass(frozen=True)
class MarginalErrors:
    """How far mean and standard deviation of the samples are from the data's, with their sign."""

    mean: float
    std: float
    calls: int


class WalshNoise:
    """Columns of signs, each drawn once: mean 0, variance 1, no correlation, over the batch.

    Args:
        order: there are 2^order rows, and one column less.

    Raises:
        CheckError: when more columns are drawn than there are.
    """

    def __init__(self, order: int = 11) -> None:
        self.rows = 2**order
        index = torch.arange(self.rows)
        generator = torch.Generator().manual_seed(0)
        # Each entry sees the rows in an order of its own, so that entries differ.
        shuffled = [torch.randperm(self.rows, generator=generator) for _ in range(ENTRIES)]
        self.places = torch.stack([index, *shuffled[1:]], dim=1)
        self.column = 0

    def __call__(self, shape: Sequence[int]) -> Tensor:
        self.column += 1
        if self.column >= self.rows:
            raise CheckError(f"more than {self.rows - 1} draws of noise in one run")
        if tuple(shape) != tuple(self.places.shape):
            raise CheckError(f"noise of shape {tuple(shape)} for data {tuple(self.places.shape)}")
        bits = self.places & self.column
        for shift in (16, 8, 4, 2, 1):
            bits = bits ^ (bits >> shift)
        return 1.0 - 2.0 * (bits & 1).to(F64)


@torch.no_grad()
def marginal_errors(sampler: Sampler, steps: int) -> MarginalErrors:
    """Run a sampler on Gaussian data from the exact marginal at the start of its grid.

    Args:
        sampler: stochastic, on its schedule and grid.
        steps: of the grid.
    """
    schedule = sampler.schedule
    mean, std = (torch.full((ENTRIES,), value, dtype=F64) for value in (MEAN, STD))
    model = GaussianDenoiser(schedule, mean, std)
    source, calls = WalshNoise(), 0

    def denoise(z: Data, t: Batch) -> Prediction:
        nonlocal calls
        calls += 1
        return model(z, t)

    start = schedule.level(sampler.time_grid.times(steps)[0])
    # The sampler scales it by σ: that gives N(α m, α² s² + σ²), the noisy data.
    scale = torch.hypot(start.alpha * STD, start.sigma)
    noise = (start.alpha * MEAN + scale * source((source.rows, ENTRIES))) / start.sigma
    x = sampler.sample(denoise, noise, steps=steps, generator=source)
    found = x.mean().item(), x.var(dim=0, correction=0).mean().sqrt().item()
    return MarginalErrors(found[0] - MEAN, found[1] - STD, calls)
