"""Learning curves: interquartile means over seeds with their bands, on any axis.

Seeds are put on a common grid, straight lines between a run's evaluations, as far as all of them
have got: where the evaluations of all seeds lie at the same places, nothing is interpolated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genrl.evaluation.statistics import (
    Interval,
    Scores,
    interquartile_mean,
    stratified_interval,
    within_run,
)
from genrl.report.agents.groups import Group
from genrl.report.agents.reading import AgentRun, Evaluation

Axis = Callable[[Evaluation], float]

_MOST_POINTS = 200
_RESAMPLES = 2000


@dataclass(frozen=True)
class Curve:
    """A method's score along an axis.

    Args:
        x: increasing places.
        score: interquartile mean at each.
        low: lower end of the interval at each.
        high: upper end.
    """

    x: list[float]
    score: list[float]
    low: list[float]
    high: list[float]


def learning_curve(group: Group, axis: Axis) -> Curve | None:
    """Of a group; None where nothing moves along the axis."""
    runs = group.evaluated
    if not runs or all(axis(e) == 0 for run in runs for e in run.evaluations):
        return None
    if len(runs) == 1:
        return _of_one(runs[0], axis)
    lines = [mean_line([axis(e) for e in r.evaluations], r.evaluations) for r in runs]
    x, scores = on_common_grid(lines)
    if not len(x):
        return None
    rng = np.random.default_rng(0)
    # A row is a place, its entries are seeds.
    bands = [stratified_interval([row], rng=rng, resamples=_RESAMPLES) for row in scores]
    return _curve(x.tolist(), interquartile_mean(scores).tolist(), bands)


def mean_line(x: Sequence[float], evaluations: Sequence[Evaluation]) -> tuple[Scores, Scores]:
    """Places and scores of a run, one score at each place."""
    last = {place: evaluation.score for place, evaluation in zip(x, evaluations, strict=True)}
    places = sorted(last)
    return np.array(places), np.array([last[place] for place in places])


def on_common_grid(lines: Sequence[tuple[Scores, Scores]]) -> tuple[Scores, Scores]:
    """Places and values there, (places, lines).

    Args:
        lines: increasing places and values of each.
    """
    first = max(x[0] for x, _ in lines)
    last = min(x[-1] for x, _ in lines)
    grid = np.unique(np.concatenate([x for x, _ in lines]))
    grid = grid[(grid >= first) & (grid <= last)]
    if len(grid) > _MOST_POINTS:
        grid = np.linspace(first, last, _MOST_POINTS)
    values = [np.interp(grid, x, y) for x, y in lines]
    return grid, np.stack(values, axis=-1)


def _of_one(run: AgentRun, axis: Axis) -> Curve:
    rng = np.random.default_rng(0)
    points = {axis(e): within_run(e.returns, rng=rng) for e in run.evaluations}
    x = sorted(points)
    found = [points[place] for place in x]
    scores = [summary.score for summary in found]
    bands = [summary.interval or Interval(summary.score, summary.score) for summary in found]
    return _curve(x, scores, bands)


def _curve(x: list[float], scores: list[float], bands: Sequence[Interval]) -> Curve:
    return Curve(x, scores, [band.low for band in bands], [band.high for band in bands])


def metric_curve(group: Group, name: str) -> tuple[Curve, str] | None:
    """A training metric: mean over seeds, band from the least to the greatest, and its axis."""
    key = "env_steps" if any(row.get("env_steps") for r in group.runs for row in r.metrics) else ""
    key = key or "update"
    lines = []
    for run in group.runs:
        known = {row[key]: row[name] for row in run.metrics if name in row and key in row}
        if known:
            places = sorted(known)
            lines.append(_thinned(np.array(places), np.array([known[place] for place in places])))
    if not lines:
        return None
    x, values = on_common_grid(lines)
    if not len(x):
        return None
    low, high = values.min(-1), values.max(-1)
    curve = Curve(x.tolist(), values.mean(-1).tolist(), low.tolist(), high.tolist())
    return curve, "environment steps" if key == "env_steps" else "updates"


def _thinned(x: Scores, y: Scores) -> tuple[Scores, Scores]:
    """Means of neighbours where there are too many points to see."""
    size = -(-len(x) // _MOST_POINTS)
    if size == 1:
        return x, y
    pieces = range(0, len(x), size)
    means = [(x[i : i + size].mean(), y[i : i + size].mean()) for i in pieces]
    return np.array([a for a, _ in means]), np.array([b for _, b in means])
