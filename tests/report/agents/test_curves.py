"""Learning curves: what is a mean of what, and where a curve ends."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genrl.evaluation.statistics import within_run
from genrl.report.agents.charts import apart
from genrl.report.agents.curves import learning_curve, metric_curve, on_common_grid
from genrl.report.agents.groups import Group, grouped
from genrl.report.agents.reading import Evaluation, read_agent_run

MakeRun = Callable[..., Path]


def steps(evaluation: Evaluation) -> float:
    return evaluation.env_steps


def write(run: Path, lines: list[tuple[float, list[float]]]) -> Path:
    """Evaluations at (steps, returns); updates are steps / 10, seconds steps / 100 + seed."""
    entries = [
        {"update": at / 10, "env_steps": at, "seconds": at / 100, "returns": returns}
        for at, returns in lines
    ]
    (run / "evaluations.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    return run


def group(runs: list[Path]) -> Group:
    (found,) = grouped([read_agent_run(run) for run in runs])
    return found


def test_interquartile_mean_over_seeds(make_agent_run: MakeRun) -> None:
    """Of the means 0, 4, 5, 90 at the second place the middle two are left."""
    ends = [0.0, 4.0, 5.0, 90.0]
    runs = [
        write(make_agent_run(seed=i), [(0, [1, 3]), (100, [end - 1, end + 1])])
        for i, end in enumerate(ends)
    ]
    curve = learning_curve(group(runs), steps)
    assert curve is not None
    assert curve.x == [0, 100]
    assert curve.score == [2.0, 4.5]
    assert (curve.low[0], curve.high[0]) == (2.0, 2.0)
    assert 0 <= curve.low[1] < 4.5 < curve.high[1] <= 90


def test_one_seed_has_a_band_of_episodes(make_agent_run: MakeRun) -> None:
    returns = [1.0, 2.0, 3.0, 10.0]
    run = write(make_agent_run(), [(0, returns), (50, [4.0])])
    curve = learning_curve(group([run]), steps)
    summary = within_run(returns, rng=np.random.default_rng(0))
    assert curve is not None
    assert curve.score == [2.5, 4.0]
    assert summary.interval is not None
    assert (curve.low[0], curve.high[0]) == (summary.interval.low, summary.interval.high)
    assert (curve.low[1], curve.high[1]) == (4.0, 4.0)


def test_seeds_meet_on_a_common_grid(make_agent_run: MakeRun) -> None:
    """Evaluated at different places: straight lines between, as far as both have got."""
    runs = [
        write(make_agent_run(seed=1), [(0, [0]), (100, [10]), (200, [20])]),
        write(make_agent_run(seed=2), [(0, [0]), (80, [16]), (120, [24])]),
    ]
    curve = learning_curve(group(runs), steps)
    assert curve is not None
    assert curve.x == [0, 80, 100, 120]
    assert curve.score == pytest.approx([0, 12, 15, 18])
    assert curve.low == pytest.approx([0, 8, 10, 12])
    assert curve.high == pytest.approx([0, 16, 20, 24])


def test_long_curves_are_thinned() -> None:
    x = np.arange(1000.0)
    grid, values = on_common_grid([(x, 2 * x), (x + 0.5, x)])
    assert len(grid) == 200
    assert (grid[0], grid[-1]) == (0.5, 999)
    assert values[:, 0] == pytest.approx(2 * grid)
    assert values[:, 1] == pytest.approx(grid - 0.5)


def test_nothing_moves_along_the_axis(make_agent_run: MakeRun) -> None:
    """Behavioural cloning takes no steps in environments."""
    entries = [{"update": u, "env_steps": 0, "seconds": u, "returns": [u]} for u in (0, 5)]
    run = make_agent_run(loss="bc")
    (run / "evaluations.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    assert learning_curve(group([run]), steps) is None
    updates = learning_curve(group([run]), lambda e: e.update)
    assert updates is not None
    assert updates.x == [0, 5]


def test_metrics_are_means_over_seeds(make_agent_run: MakeRun) -> None:
    runs = [make_agent_run(seed=seed) for seed in (1, 2)]
    for run, factor in zip(runs, (1, 3), strict=True):
        rows = "".join(f"{u},policy,{factor * u},{100 * u}\n" for u in range(1, 1001))
        (run / "metrics.csv").write_text(f"update,stage,loss,env_steps\n{rows}")
    found = metric_curve(group(runs), "loss")
    assert found is not None
    curve, axis = found
    assert axis == "environment steps"
    assert len(curve.x) == 200
    assert curve.score == pytest.approx([2 * x / 100 for x in curve.x])
    assert curve.low == pytest.approx([x / 100 for x in curve.x])
    assert curve.high == pytest.approx([3 * x / 100 for x in curve.x])
    assert metric_curve(group(runs), "nothing") is None


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([50], [50]),
        ([50, 20], [50, 20]),
        ([50, 50, 50], [50, 60, 70]),
        ([98, 99, 20], [90, 100, 20]),
        ([-5, 0], [10, 20]),
    ],
)
def test_labels_keep_apart(places: list[float], expected: list[float]) -> None:
    assert apart(places, 10, 10, 100) == expected


def test_what_is_cloned_is_named_by_its_policy(make_agent_run: MakeRun) -> None:
    runs = [
        make_agent_run("cloning", "bc", 1, policy={"name": name}, folder=name)
        for name in ("gaussian", "diffusion")
    ]
    runs.append(make_agent_run("sac", "gail", policy={"name": "tanh_gaussian"}))
    found = grouped([read_agent_run(run) for run in runs])
    assert [g.method for g in found] == ["bc · gaussian", "bc · diffusion", "gail · sac"]
