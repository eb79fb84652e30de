"""Returns of a few runs, and how sure one may be of them.

The score of a run is the mean return of its evaluation episodes; runs of one task form a stratum.
Between runs that differ in their seeds, seeds are resampled, never episodes: a hundred episodes of
one seed say nothing about the next seed. Within a single run, its episodes are resampled, and the
interval speaks of that policy alone.

    interquartile mean       mean of what is left without the lowest and the highest floor(n / 4)
    probability of           mean over tasks of P(x > y) + P(x = y) / 2,
        improvement            x a run of one method, y of the other
    optimality gap           mean of max(0, γ - score)
    stratified bootstrap     percentiles of the statistic of runs drawn with replacement from
                               each stratum

With few seeds a percentile interval is too narrow. With 3 it reaches from the worst seed to the
best (each is all of a resample with probability 1/27 > 0.025), which covers the centre of a
symmetric distribution in 3 of 4 cases; of normal scores it covers 88 % with 5 seeds and 94 % with
10.

Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice.
Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genrl.registry import ConfigurationError

Scores = NDArray[np.float64]
Statistic = Callable[[Scores], Scores]

RESAMPLES = 5000


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A score and its interval.

    Args:
        score: interquartile mean.
        interval: of 95 %; None where a single number says nothing of its spread.
        count: numbers that were resampled.
        unit: what was resampled: ``seeds`` or ``episodes``.
    """

    score: float
    interval: Interval | None
    count: int
    unit: str


def interquartile_mean(scores: Scores) -> Scores:
    """Over the last axis."""
    from scipy import stats  # takes longer to import than to list every component

    mean: Scores = np.asarray(stats.trim_mean(scores, 0.25, axis=-1))
    return mean


def optimality_gap(scores: Scores, target: float = 1.0) -> Scores:
    """By how much scores stay below the target, over the last axis; more than it counts as it."""
    gap: Scores = target - np.minimum(scores, target).mean(-1)
    return gap


def stratified_bootstrap(
    strata: Sequence[ArrayLike],
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Scores:
    """The statistic of resampled scores, (resamples,).

    Args:
        strata: the scores of each task's runs; their numbers may differ.
        statistic: of all strata's scores side by side, over the last axis.
        rng: of the draws.
        resamples: how many.
    """
    drawn = [_resampled(_checked(stratum), rng, resamples) for stratum in strata]
    return statistic(np.concatenate(drawn, axis=-1))


def stratified_interval(
    strata: Sequence[ArrayLike],
    statistic: Statistic = interquartile_mean,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """The percentile interval of `stratified_bootstrap`.

    Raises:
        ConfigurationError: if a stratum is empty or holds a number that is not finite.
    """
    drawn = stratified_bootstrap(strata, statistic, rng=rng, resamples=resamples)
    return percentile_interval(drawn, confidence)


def percentile_interval(drawn: Scores, confidence: float = 0.95) -> Interval:
    """What lies between the tails of a bootstrap distribution."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def within_run(returns: ArrayLike, *, rng: np.random.Generator) -> Summary:
    """Of one policy: the episodes of one run are resampled."""
    return _summary(_checked(returns), "episodes", rng)


def across_seeds(returns: Sequence[ArrayLike], *, rng: np.random.Generator) -> Summary:
    """Of a method on one task: its seeds are resampled.

    Args:
        returns: the episodes of each seed.
        rng: of the draws.
    """
    return _summary(np.array([_checked(episodes).mean() for episodes in returns]), "seeds", rng)


def _summary(scores: Scores, unit: str, rng: np.random.Generator) -> Summary:
    interval = stratified_interval([scores], rng=rng) if len(scores) > 1 else None
    return Summary(float(interquartile_mean(scores)), interval, len(scores), unit)


def probability_of_improvement(x: Sequence[ArrayLike], y: Sequence[ArrayLike]) -> float:
    """How likely a run of one method beats a run of another on the same task.

    Args:
        x: scores of each task's runs of the first method.
        y: of the second, tasks in the same order.
    """
    return float(np.mean([_better(_checked(a), _checked(b)) for a, b in zip(x, y, strict=True)]))


def improvement_interval(
    x: Sequence[ArrayLike],
    y: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Of `probability_of_improvement`; the runs of both methods are resampled within each task."""
    drawn = [
        _better(
            _resampled(_checked(a), rng, resamples),
            _resampled(_checked(b), rng, resamples),
        )
        for a, b in zip(x, y, strict=True)
    ]
    return percentile_interval(np.mean(drawn, axis=0), confidence)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Of a rate of successes; honest at 0 and 1 too.

    Raises:
        ValueError: if there is no trial, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials make no rate")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, weight = successes / trials, z**2 / trials
    middle = (rate + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (rate * (1 - rate) + weight / 4)) / (1 + weight)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def _resampled(scores: Scores, rng: np.random.Generator, resamples: int) -> Scores:
    return scores[rng.integers(len(scores), size=(resamples, len(scores)))]


def _better(x: Scores, y: Scores) -> Scores:
    """P(x > y) + P(x = y) / 2 over the last axes."""
    difference = np.sign(x[..., :, None] - y[..., None, :])
    better: Scores = (difference.mean((-2, -1)) + 1) / 2
    return better


def _checked(scores: Any) -> Scores:
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    if not len(values) or not np.isfinite(values).all():
        raise ConfigurationError(
            "statistics need at least one score, all finite; "
            f"{len(values)} were given, {int((~np.isfinite(values)).sum())} not finite"
        )
    return values
