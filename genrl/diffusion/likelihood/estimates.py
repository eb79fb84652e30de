"""Estimates of the variational bound of a trained denoiser, in nats for each entry of each example.

In discrete time the bound of a grid t_0 = 1 > ... > t_{K-1} is that of what samplers do: K
evaluations, K - 1 steps and a last prediction,

    prior + Σ ½ (SNR(t_{i+1}) - SNR(t_i)) ||x - x̂(z_i)||² - log p(x | x̂(z_{K-1}))

where the last term is a Gaussian around x̂ whose standard deviation belongs to its time. All of it
follows from one evaluation at each time, so `GridTerms` holds what the bound of every grid needs.

In continuous time the diffusion term is ½ ∫ ||ε - ε̂||² dλ, estimated at one random λ in each of
equal intervals, and x is decoded from z itself, at the end of some interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.likelihood.bound import decoder_nats, prior_nats
from genrl.diffusion.likelihood.decoders import discretized_gaussian_log_prob, gaussian_log_prob
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.typing import Batch, Data, Labels

_LEAST_STD = 1e-3
_MOST_NUMBERS = 20_000_000  # that a decoder holds at once
_CANDIDATES_APART = 4


@dataclass(frozen=True)
class GridTerms:
    """What the bound of any sub-grid of T times is made of.

    Args:
        times: falling, the first of them 1.
        log_snr: λ at these times.
        error: squared error of x̂, the mean over the entries.
        decoder: nats of decoding x from x̂.
        std: of the decoder.
        prior: nats of the prior.
    """

    times: Float64[Tensor, " times"]
    log_snr: Float64[Tensor, " times"]
    error: Float64[Tensor, "times examples"]
    decoder: Float64[Tensor, "times examples"]
    std: Float64[Tensor, " times"]
    prior: Float64[Tensor, " examples"]

    def nats(self, indices: Sequence[int] | None = None) -> Float64[Tensor, " examples"]:
        """The bound of the grid of these times (all of them by default) for each example."""
        chosen = torch.arange(len(self.times)) if indices is None else torch.tensor(indices)
        rise = 0.5 * self.log_snr[chosen].exp().diff()
        steps = (rise[:, None] * self.error[chosen[:-1]]).sum(dim=0)
        return self.prior + steps + self.decoder[chosen[-1]]

    def step_costs(self) -> Float64[Tensor, "times times"]:
        """Mean nats of a step from each time to each later one; infinite where there is none."""
        snr = self.log_snr.exp()
        costs = 0.5 * (snr[None, :] - snr[:, None]) * self.error.mean(dim=1)[:, None]
        is_step = torch.ones_like(costs).triu(1).bool()
        return torch.where(is_step, costs, torch.inf)


@torch.no_grad()
def grid_terms(
    denoiser: ConditionalDenoise,
    x: Data,
    label: Labels | None,
    schedule: NoiseSchedule,
    times: Tensor,
    *,
    num_levels: int | None,
    seed: int,
    std: Tensor | None = None,
    share_noise: bool = False,
    batch_size: int = 250,
) -> GridTerms:
    """One evaluation of every example at every time.

    Args:
        denoiser: the model.
        x: examples, on its device.
        label: class of each, or None.
        schedule: of the model.
        times: falling from 1, without the 0 at the end of a sampler's grid.
        num_levels: of the data, or None for real numbers.
        seed: of the noise.
        std: of the decoder at each time, fitted on other data; None fits it: the root of the mean
            squared error.
        share_noise: whether an example has the same noise at all times. Then the errors of
            different times compare well, and their sum varies more.
        batch_size: examples at a time.

    Raises:
        ValueError: unless the times fall from 1.
    """
    times = times.double().cpu()
    if times[0] != 1 or (times.diff() >= 0).any():
        raise ValueError("the times of a bound must fall, beginning at 1")
    generator = torch.Generator().manual_seed(seed)
    noise = _noise_like(x, generator)
    errors, decoders, stds = [], [], []
    for index, time in enumerate(times):
        if index and not share_noise:
            noise = _noise_like(x, generator)
        predicted = torch.cat(
            [
                denoiser(schedule.perturb(x[part], t, noise[part]), t, _rows(label, part)).x
                for part, t in _batches(x, time, batch_size)
            ]
        )
        error = _mean(predicted - x, power=2)
        given = error.mean().sqrt() if std is None else std[index]
        stds.append(given.double().cpu().clamp(min=_LEAST_STD))
        errors.append(error)
        decoders.append(_decoding(x, predicted, stds[-1], num_levels))
    return GridTerms(
        times,
        schedule.log_snr(times),
        torch.stack(errors).double().cpu(),
        torch.stack(decoders).double().cpu(),
        torch.stack(stds),
        _prior(x, schedule),
    )


@dataclass(frozen=True)
class ContinuousTerms:
    """The bound in continuous time, which may end at any of several noise levels.

    Args:
        ends: number of the interval before which each candidate ends.
        log_snr: λ of the candidates, rising.
        diffusion: nats of each interval of λ, from the noisy end on.
        decoder: nats of decoding x from z at each candidate.
        prior: nats of the prior.
    """

    ends: tuple[int, ...]
    log_snr: Float64[Tensor, " candidates"]
    diffusion: Float64[Tensor, "intervals examples"]
    decoder: Float64[Tensor, "candidates examples"]
    prior: Float64[Tensor, " examples"]

    def nats(self, candidate: int) -> Float64[Tensor, " examples"]:
        """The bound that ends at one of the candidates, for each example."""
        spent = self.diffusion[: self.ends[candidate]].sum(dim=0)
        return self.prior + spent + self.decoder[candidate]

    def best(self) -> int:
        """The candidate of the least mean bound; choose it on other data than you report."""
        means = [self.nats(candidate).mean() for candidate in range(len(self.ends))]
        return int(torch.stack(means).argmin())


@torch.no_grad()
def continuous_terms(
    denoiser: ConditionalDenoise,
    x: Data,
    label: Labels | None,
    schedule: NoiseSchedule,
    *,
    num_levels: int | None,
    seed: int,
    intervals: int = 64,
    batch_size: int = 250,
) -> ContinuousTerms:
    """One evaluation of every example in each of equal intervals of λ.

    Args:
        denoiser: the model.
        x: examples, on its device.
        label: class of each, or None.
        schedule: of the model.
        num_levels: of the data, or None for real numbers.
        seed: of noise and times.
        intervals: of λ between the schedule's ends.
        batch_size: examples at a time.
    """
    generator = torch.Generator().manual_seed(seed)
    clean, noisy = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    width = (clean - noisy) / intervals
    spent = []
    for index in range(intervals):
        place = torch.rand(len(x), generator=generator, dtype=torch.float64)
        times = schedule.time(noisy + width * (index + place)).to(x.device)
        noise = _noise_like(x, generator)
        errors = [
            _mean(
                denoiser(
                    schedule.perturb(x[part], times[part], noise[part]),
                    times[part],
                    _rows(label, part),
                ).eps
                - noise[part],
                power=2,
            )
            for part, _ in _batches(x, times[0], batch_size)
        ]
        spent.append(0.5 * width * torch.cat(errors))
    ends = tuple(range(_CANDIDATES_APART, intervals + 1, _CANDIDATES_APART)) or (intervals,)
    log_snr = noisy + width * torch.tensor(ends, dtype=torch.float64)
    decoders = []
    rows = max(1, _MOST_NUMBERS // (x[0].numel() * (num_levels or 1)))
    for time in schedule.time(log_snr):
        noise = _noise_like(x, generator)
        nats = [
            decoder_nats(
                x[part],
                schedule.perturb(x[part], t, noise[part]),
                schedule.level_like(t, x[part]),
                num_levels,
            )
            for part, t in _batches(x, time, rows)
        ]
        decoders.append(torch.cat(nats))
    return ContinuousTerms(
        ends,
        log_snr,
        torch.stack(spent).double().cpu(),
        torch.stack(decoders).double().cpu(),
        _prior(x, schedule),
    )


def _batches(x: Data, time: Tensor, batch_size: int) -> Iterator[tuple[slice, Batch]]:
    """Parts of the examples, each with a time for every one."""
    for start in range(0, len(x), batch_size):
        part = slice(start, min(start + batch_size, len(x)))
        yield part, time.to(x.device).expand(part.stop - start)


def _rows(label: Labels | None, part: slice) -> Labels | None:
    return None if label is None else label[part]


def _noise_like(x: Data, generator: torch.Generator) -> Data:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)


def _mean(values: Data, power: int = 1) -> Batch:
    return values.pow(power).flatten(1).mean(dim=1)


def _prior(x: Data, schedule: NoiseSchedule) -> Float64[Tensor, " examples"]:
    noisy = torch.ones(1, dtype=torch.float64, device=x.device)
    return prior_nats(x, schedule.level_like(noisy, x)).double().cpu()


def _decoding(x: Data, predicted: Data, std: Tensor, num_levels: int | None) -> Batch:
    scale = std.to(x)
    if num_levels is None:
        return -_mean(gaussian_log_prob(x, predicted, scale))
    return -_mean(discretized_gaussian_log_prob(x, predicted, scale, num_levels))
