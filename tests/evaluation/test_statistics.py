"""Statistics of runs against scipy, brute force, closed forms, and the coverage they promise."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from genrl.evaluation.statistics import (
    Interval,
    across_seeds,
    improvement_interval,
    interquartile_mean,
    optimality_gap,
    percentile_interval,
    probability_of_improvement,
    stratified_bootstrap,
    stratified_interval,
    wilson_interval,
    within_run,
)
from genrl.registry import ConfigurationError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mean(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores.mean(-1))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 100])
def test_interquartile_mean(count: int) -> None:
    scores = rng().normal(size=count) ** 3
    cut = count // 4
    by_hand = np.sort(scores)[cut : count - cut].mean()
    assert interquartile_mean(scores) == pytest.approx(by_hand, rel=1e-14)
    assert interquartile_mean(scores) == stats.trim_mean(scores, 0.25, axis=None)


def test_interquartile_mean_ignores_an_outlier() -> None:
    assert interquartile_mean(np.array([1.0, 2.0, 3.0, 1e9])) == 2.5


def test_optimality_gap() -> None:
    scores = np.array([0.2, 0.9, 1.4, 3.0])
    assert optimality_gap(scores) == pytest.approx((0.8 + 0.1) / 4, abs=1e-15)
    assert optimality_gap(scores, 2.0) == pytest.approx((1.8 + 1.1 + 0.6) / 4, abs=1e-15)


def test_three_seeds_reach_from_the_worst_to_the_best() -> None:
    """The 2.5 % quantile of all 27 equally likely resamples is the least score."""
    scores = [3.0, -1.0, 7.0]
    everything = np.array([np.mean(draw) for draw in product(scores, repeat=3)])
    assert np.quantile(everything, 0.025, method="inverted_cdf") == -1
    assert stratified_interval([scores], rng=rng()) == Interval(-1.0, 7.0)


def test_bootstrap_is_the_enumerated_one() -> None:
    """Frequencies of every possible mean of 4 scores against all 256 resamples."""
    scores = [0.0, 1.0, 10.0, 100.0]
    drawn = stratified_bootstrap([scores], mean, rng=rng(), resamples=200_000)
    exact = np.array([np.mean(draw) for draw in product(scores, repeat=4)])
    for value in np.unique(exact):
        expected = np.mean(exact == value)
        assert np.mean(drawn == value) == pytest.approx(expected, abs=5 * np.sqrt(expected / 2e5))


def test_strata_are_resampled_one_by_one() -> None:
    """Var of the mean = Σ (n_s / N)² var_s / n_s; joining the strata would add their distance."""
    strata = [np.array([0.0, 1.0, 2.0]), np.array([100.0, 104.0, 108.0, 112.0, 116.0])]
    drawn = stratified_bootstrap(strata, mean, rng=rng(), resamples=200_000)
    exact = sum(len(s) * s.var() for s in strata) / 8**2
    assert drawn.var() == pytest.approx(exact, rel=0.02)
    assert drawn.mean() == pytest.approx(np.concatenate(strata).mean(), abs=0.05)


def test_interval_against_scipy() -> None:
    scores = rng(3).gamma(2.0, size=30)
    theirs = stats.bootstrap(
        (scores,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        method="percentile",
        n_resamples=50_000,
        rng=rng(1),
    ).confidence_interval
    ours = stratified_interval([scores], rng=rng(2), resamples=50_000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_seeds_are_resampled_never_episodes() -> None:
    """A thousand episodes of each of three seeds tell no more than three numbers."""
    episodes = [rng(seed).normal(level, 1, 1000) for seed, level in enumerate((0, 50, 100))]
    found = across_seeds(episodes, rng=rng())
    means = [e.mean() for e in episodes]
    assert found.score == pytest.approx(np.mean(means), rel=1e-12)
    assert found.interval is not None
    ends = (found.interval.low, found.interval.high)
    assert ends == pytest.approx((min(means), max(means)), rel=1e-12)
    assert (found.count, found.unit) == (3, "seeds")
    as_if_seeds = stratified_interval([np.concatenate(episodes)], rng=rng())
    assert as_if_seeds.high - as_if_seeds.low < 0.2 * (max(means) - min(means))


def test_one_seed_has_an_interval_of_its_episodes() -> None:
    returns = rng().normal(5, 1, 40)
    found = within_run(returns, rng=rng())
    assert found.score == interquartile_mean(returns)
    assert found.interval == stratified_interval([returns], rng=rng())
    assert (found.count, found.unit) == (40, "episodes")
    assert within_run([3.0], rng=rng()).interval is None


@pytest.mark.parametrize(("seeds", "least", "most"), [(3, 0.70, 0.80), (10, 0.90, 0.97)])
def test_coverage_is_what_the_docstring_says(seeds: int, least: float, most: float) -> None:
    source, hits = rng(seeds), 0
    for _ in range(600):
        found = stratified_interval([source.normal(size=seeds)], rng=source, resamples=500)
        hits += found.low <= 0 <= found.high
    assert least < hits / 600 < most


def test_episodes_taken_for_seeds_would_be_wrong_most_of_the_time() -> None:
    """Between seeds the spread is 1, within one 0.5: the negative control of the test above."""
    source, honest, careless = rng(1), 0, 0
    for _ in range(200):
        levels = source.normal(size=10)
        episodes = [source.normal(level, 0.5, 20) for level in levels]
        seeds = stratified_interval([[e.mean() for e in episodes]], rng=source, resamples=300)
        joined = stratified_interval([np.concatenate(episodes)], rng=source, resamples=300)
        honest += seeds.low <= 0 <= seeds.high
        careless += joined.low <= 0 <= joined.high
    assert honest / 200 > 0.88
    assert careless / 200 < 0.5


def test_probability_of_improvement_is_mann_whitney_s() -> None:
    source = rng(5)
    x, y = source.integers(0, 8, 13).astype(float), source.integers(0, 6, 9).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a in x for b in y]
    found = probability_of_improvement([x], [y])
    assert found == pytest.approx(np.mean(pairs), abs=1e-15)
    assert found == pytest.approx(stats.mannwhitneyu(x, y).statistic / (13 * 9), abs=1e-15)
    assert probability_of_improvement([y], [x]) == pytest.approx(1 - found, abs=1e-15)
    # A mean over tasks, not over runs.
    assert probability_of_improvement([x, [1.0]], [y, [0.0]]) == pytest.approx((found + 1) / 2)
    with pytest.raises(ValueError, match="zip"):
        probability_of_improvement([x], [y, y])


def test_interval_of_an_improvement() -> None:
    assert improvement_interval([[2.0, 3.0]], [[0.0, 1.0]], rng=rng()) == Interval(1.0, 1.0)
    x, y = [1.0, 4.0], [2.0, 3.0]
    drawn = [
        np.mean([(a > b) + 0.5 * (a == b) for a in xs for b in ys])
        for xs in product(x, repeat=2)
        for ys in product(y, repeat=2)
    ]
    exact = percentile_interval(np.array(drawn), 0.6)
    found = improvement_interval([x], [y], rng=rng(), confidence=0.6, resamples=20_000)
    assert found == exact


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (3, 7), (95, 100), (1, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_against_scipy(successes: int, trials: int, confidence: float) -> None:
    theirs = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    ours = wilson_interval(successes, trials, confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-14)


def test_wilson_without_a_success() -> None:
    z = 1.959963984540054
    assert wilson_interval(0, 20) == Interval(0.0, pytest.approx(z**2 / (20 + z**2), rel=1e-12))
    with pytest.raises(ValueError, match="5 successes in 4 trials"):
        wilson_interval(5, 4)
    with pytest.raises(ValueError, match="no rate"):
        wilson_interval(0, 0)


def test_only_the_given_generator_is_used() -> None:
    """rliable draws from numpy's global state, whatever its ``random_state`` says."""
    scores = rng(9).normal(size=12)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = stratified_interval([scores], rng=rng(4))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert stratified_interval([scores], rng=rng(4)) == first
    assert stratified_interval([scores], rng=rng(5)) != first


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_statistics_is_refused(scores: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="at least one score, all finite"):
        stratified_interval([scores], rng=rng())
