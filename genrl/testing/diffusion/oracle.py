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
from genrl.diffusion.forms import x_form
from genrl.diffusion.parameterizations.base import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Denoise
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
        parameterizations: what `converted` goes through.
    """

    def __init__(
        self, schedule: NoiseSchedule, parameterizations: Sequence[Parameterization] = ()
    ) -> None:
        self.schedule, self.parameterizations = schedule, list(parameterizations)
        weights, means, stds = zip((1.0, MEAN, STD), *MIXTURE, strict=True)
        self.means = torch.tensor(means, dtype=F64)[:, None]
        self.stds = torch.tensor(stds, dtype=F64)
        self.weights = torch.tensor(weights, dtype=F64)
        labels = torch.tensor([0, 1, 1])
        self.model, self._timed = (
            GaussianMixtureDenoiser(meaning, self.means, self.stds, self.weights, labels)
            for meaning in (LogSnrTime(schedule), schedule)
        )
        self.noise = NOISE.repeat(2)[:, None]
        self.label = torch.tensor([0, 1]).repeat_interleave(len(NOISE))
        self._known: dict[tuple[float, float], Tensor] = {}

    def denoise(self, z: Data, t: Batch) -> Prediction:
        """The exact prediction; ``z`` is one block of rows, those of `noise`, or several."""
        return self._timed(z, t, self.label.repeat(len(z) // len(self.label)))

    def converted(self, z: Data, t: Batch) -> Prediction:
        """What a perfectly trained network predicts: a block of rows for each parameterization.

        The first block holds the exact predictions themselves.
        """
        exact = self.denoise(z, t)
        size, whole = len(self.noise), exact.level
        level = NoiseLevel(*(value[:size] for value in whole))
        blocks = zip(*(torch.split(data, size) for data in (exact.x, exact.eps, z)), strict=True)
        (x, eps, _), *others = blocks
        found = [Prediction(x, eps, level)]
        for parameterization, (x, eps, noisy) in zip(self.parameterizations, others, strict=True):
            found.append(through(parameterization, Prediction(x, eps, level), noisy))
        return Prediction(
            torch.cat([one.x for one in found]), torch.cat([one.eps for one in found]), exact.level
        )

    def through(self, parameterization: Parameterization) -> Denoise:
        """What a perfectly trained network predicts, in the form of its parameterization."""

        def denoise(z: Data, t: Batch) -> Prediction:
            exact = self.denoise(z, t)
            # z itself, as a Denoiser has it, so that a sampler is seen to change it in place.
            return parameterization.prediction(parameterization.output(exact), z, exact.level)

        return denoise

    def predicting_other_than_x(self) -> list[Parameterization]:
        """Those parameterizations from whose output a sampler may step without asking for x."""
        t = torch.full_like(self.noise[:, 0], 0.5)
        return [p for p in self.parameterizations if self.through(p)(self.noise, t).form != x_form]

    def solution(self, start: Tensor, stop: Tensor) -> Data:
        """The exact prediction at time ``stop`` for the noise that began at time ``start``."""
        key = (start.item(), stop.item())
        if key not in self._known:
            begin, end = self.schedule.level(start.to(F64)), self.schedule.level(stop.to(F64))
            z = self._flow(begin.sigma * self.noise, begin, end)
            self._known[key] = self.model(z, end.log_snr.expand(len(z)), self.label).x
        return self._known[key]

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
