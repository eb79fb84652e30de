"""What is known exactly: a Gaussian and a mixture of Gaussians in one dimension.

The probability flow of one number keeps its quantile: z_s = F_s^{-1}(F_t(z_t)), where F is the
distribution function of the noisy data. For a Gaussian that is a straight line, for the mixture it
is found by bisection, to rounding in both cases. Row by row the label says which of the two data
sets a number belongs to, so that one batch proves both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.parameterizations.base import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.typing import Batch, Data

F64 = torch.float64
MEAN, STD = 0.7, 0.5  # of the Gaussian, label 0
MIXTURE = ((0.4, -0.9, 0.35), (0.6, 0.8, 0.4))  # weight, mean, std of its parts, label 1
NOISE = torch.linspace(-2, 2, 9, dtype=F64)


class LogSnrTime(NoiseSchedule):
    """The schedule whose time is λ itself, with α and σ of another one's family.

    Args:
        family: gives α and σ as functions of λ.
    """

    def __init__(self, family: NoiseSchedule) -> None:
        super().__init__()
        self.family = family

    def log_snr(self, t: Tensor) -> Tensor:
        return t

    def time(self, log_snr: Tensor) -> Tensor:
        return log_snr

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return self.family.log_alpha(log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return self.family.log_sigma(log_snr)


class Oracle:
    """Exact predictions and the exact probability flow under one schedule.

    Args:
        schedule: of the noise.
        parameterizations: each gets rows of its own, and what it makes of an ideal network's output
            is what the sampler sees; none gives the exact predictions themselves.
    """

    def __init__(
        self, schedule: NoiseSchedule, parameterizations: Sequence[Parameterization] = ()
    ) -> None:
        self.schedule, self.parameterizations = schedule, list(parameterizations)
        weights, means, stds = zip((1.0, MEAN, STD), *MIXTURE, strict=True)
        self.means = torch.tensor(means, dtype=F64)[:, None]
        self.stds = torch.tensor(stds, dtype=F64)
        self.weights = torch.tensor(weights, dtype=F64)
        self.model = GaussianMixtureDenoiser(
            LogSnrTime(schedule), self.means, self.stds, self.weights, torch.tensor([0, 1, 1])
        )
        repeats = max(len(self.parameterizations), 1)
        self.noise = NOISE.repeat(2 * repeats)[:, None]
        self.label = torch.tensor([0, 1]).repeat_interleave(len(NOISE)).repeat(repeats)
        self._known: dict[tuple[float, float], Tensor] = {}

    def denoise(self, z: Data, t: Batch) -> Prediction:
        """What a perfectly trained network of each parameterization predicts for its rows."""
        level = self.schedule.level_like(t, z)
        exact = self.model(z, level.log_snr.reshape(-1), self.label)
        if not self.parameterizations:
            return exact
        size = len(z) // len(self.parameterizations)
        x, eps = torch.empty_like(z), torch.empty_like(z)
        for index, parameterization in enumerate(self.parameterizations):
            rows = slice(index * size, (index + 1) * size)
            part = NoiseLevel(level.log_snr[rows], level.alpha[rows], level.sigma[rows])
            found = through(
                parameterization, Prediction(exact.x[rows], exact.eps[rows], part), z[rows]
            )
            x[rows], eps[rows] = found.x, found.eps
        return Prediction(x, eps, level)

    def solution(self, start: Tensor, stop: Tensor) -> Data:
        """The exact prediction at time ``stop`` for the noise that began at time ``start``."""
        key = (start.item(), stop.item())
        if key not in self._known:
            size = 2 * len(NOISE)
            begin, end = self.schedule.level(start.to(F64)), self.schedule.level(stop.to(F64))
            z = self._flow(begin.sigma * self.noise[:size], begin, end)
            exact = self.model(z, end.log_snr.expand(size), self.label[:size])
            self._known[key] = exact.x
        return self._known[key].repeat(max(len(self.parameterizations), 1), 1)

    def _flow(self, z: Data, begin: NoiseLevel, end: NoiseLevel) -> Data:
        """Equal quantiles at both levels, by bisection between far ends of all parts."""
        half = len(NOISE)
        scale = begin.alpha * STD, end.alpha * STD
        line = torch.hypot(scale[1], end.sigma) / torch.hypot(scale[0], begin.sigma)
        straight = end.alpha * MEAN + line * (z[:half] - begin.alpha * MEAN)
        wanted = self._quantile(z[half:], begin)
        reach = 12 * torch.hypot(end.alpha, end.sigma)
        low, high = (-reach).expand_as(wanted), reach.expand_as(wanted)
        for _ in range(64):
            middle = (low + high) / 2
            is_below = self._quantile(middle, end) < wanted
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        return torch.cat([straight, (low + high) / 2])

    def _quantile(self, z: Data, level: NoiseLevel) -> Data:
        """F(z) of the noisy mixture."""
        scale = torch.hypot(level.alpha * self.stds[1:], level.sigma)
        deviation = (z - level.alpha * self.means[1:, 0]) / scale
        value: Data = (self.weights[1:] * torch.special.ndtr(deviation)).sum(1, keepdim=True)
        return value


def through(parameterization: Parameterization, exact: Prediction, z: Data) -> Prediction:
    """What a denoiser makes of the output of a network that is perfect, input scaling included."""
    scale = parameterization.input_scale(exact.level)
    output = parameterization.output(exact)
    return parameterization.prediction(output, z * scale / scale, exact.level)
