"""Mean and standard deviation of a stochastic sampler's samples, without the error of drawing.

The exact denoiser of Gaussian data is linear, so a sampler that is linear in its noise gives x =
a + Σ_j c_j ξ_j: mean a, variance Σ c_j². Noise with mean 0, variance 1 and no correlation over the
entries of an example gives exactly these two numbers. Walsh functions are such noise: rows of
signs, orthogonal to one another and to the constant. The norm of an example is then that of an
example of infinitely many entries, so that a sampler which divides by norms stays linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.testing.diffusion.figures import CheckError
from genrl.testing.diffusion.oracle import MEAN, STD
from genrl.typing import Batch, Data

F64 = torch.float64
EXAMPLES = 2


@dataclass(frozen=True)
class MarginalErrors:
    """How far mean and standard deviation of the samples are from the data's, with their sign."""

    mean: float
    std: float
    calls: int


class WalshNoise:
    """Signs, each row drawn once: over an example's entries mean 0, variance 1, no correlation.

    Args:
        order: an example has 2^order entries, and one draw less.

    Raises:
        CheckError: when more noise is drawn than there is, or for another shape than the data's.
    """

    def __init__(self, order: int) -> None:
        self.entries = 2**order
        index = torch.arange(self.entries)
        generator = torch.Generator().manual_seed(0)
        # Each example has its entries in an order of its own, so that examples differ.
        shuffled = [torch.randperm(self.entries, generator=generator) for _ in range(EXAMPLES - 1)]
        self.places = torch.stack([index, *shuffled])
        self.row = 0

    def __call__(self, shape: Sequence[int]) -> Tensor:
        self.row += 1
        if self.row >= self.entries:
            raise CheckError(f"more than {self.entries - 1} draws of noise in one run")
        if tuple(shape) != tuple(self.places.shape):
            raise CheckError(f"noise of shape {tuple(shape)} for data {tuple(self.places.shape)}")
        bits = self.places & self.row
        for shift in (8, 4, 2, 1):
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
    mean, std = torch.tensor([MEAN], dtype=F64), torch.tensor([STD], dtype=F64)
    model, calls = GaussianDenoiser(schedule, mean, std), 0
    # Up to four draws of noise for an evaluation; at least 64 entries.
    source = WalshNoise(order=max(6, (4 * sampler.evaluations(steps)).bit_length()))

    def denoise(z: Data, t: Batch) -> Prediction:
        nonlocal calls
        calls += 1
        exact = model(z, t)
        return _end_of_flow(z, exact.level) if sampler.of_consistency else exact

    start = schedule.level(sampler.time_grid.times(steps)[0])
    # The sampler scales it by σ: that gives N(α m, α² s² + σ²), the noisy data.
    scale = torch.hypot(start.alpha * STD, start.sigma)
    noise = (start.alpha * MEAN + scale * source(source.places.shape)) / start.sigma
    x = sampler.sample(denoise, noise, steps=steps, generator=source)
    found = x.mean().item(), x.var(dim=1, correction=0).mean().sqrt().item()
    return MarginalErrors(found[0] - MEAN, found[1] - STD, calls)


def _end_of_flow(z: Data, level: NoiseLevel) -> Prediction:
    """What a consistency model predicts: the data of the same quantile."""
    scale = torch.hypot(level.alpha * STD, level.sigma)
    return Prediction.from_x(MEAN + STD * (z - level.alpha * MEAN) / scale, z, level)
