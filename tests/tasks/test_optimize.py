"""A trained model's sampling made better and its likelihood measured, from end to end on points."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from genrl import commands
from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.optimize import optimize
from genrl.tasks.optimize_options import OptimizeOptions
from genrl.tasks.optimized import read_optimized
from genrl.tasks.sample import SampleOptions, sample
from genrl.tasks.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of points that was trained a little."""
    path = tmp_path_factory.mktemp("optimize") / "run"
    config = compose(
        [
            "data=gaussian_mixture",
            "network=mlp_small",
            "schedule=learned",
            "schedule.features=4",
            "objective=variational",
            "weighting=vlb",
            "training.updates=60",
            "training.learning_rate=5e-3",
            "callback@evaluation=none",
            "+callback@callbacks.likelihood=likelihood_evaluation",
            "callbacks.likelihood.num_examples=50",
            "device=cpu",
        ]
    )
    train(config, path)
    return path


def test_a_learned_schedule_is_in_the_checkpoint_and_used_to_sample(run: Path) -> None:
    stored = RunFolder(run).load_stage("teacher")["state_dict"]
    assert stored["schedule.highest"] != 13.3
    assert stored["schedule.log_weights"].std() > 0
    summary = RunFolder(run).read_summary()
    assert [row["split"] for row in summary["likelihood"]] == ["training", "held-out"]


def test_grids_of_the_dynamic_program(run: Path) -> None:
    said: list[str] = []
    options = OptimizeOptions(grid="dp", steps=[2, 5], n=64, times=40, num_samples=32, device="cpu")
    paths = optimize(run, options, said.append)
    assert [path.name for path in paths] == ["dp_2.json", "dp_5.json"]
    for path, steps in zip(paths, (2, 5), strict=True):
        times = json.loads(path.read_text())["times"]
        assert len(times) == steps + 1
        assert times[0] == 1
        assert times[-1] == 0
        rows = {
            line.split()[1]: float(line.split()[2])
            for line in said
            if line.split()[0] == str(steps)
        }
        assert set(rows) == {"uniform", "karras", "dp"}
        assert rows["dp"] < min(rows["uniform"], rows["karras"]) + 0.05
        picture, array = sample(run, SampleOptions(n=8, grid=str(path), device="cpu"))
        assert f"teacher_dp_{steps}steps" in picture.name
        assert np.load(array)["x"].shape == (8, 2)


def test_a_learned_sampler(run: Path) -> None:
    options = OptimizeOptions(
        sampler="ggdm", steps=[3], updates=3, batch_size=16, n=16, num_samples=16, device="cpu"
    )
    (path,) = optimize(run, options, lambda text: None)
    found = read_optimized(path)
    assert found.coefficients().evaluations == 3
    _, first = sample(run, SampleOptions(n=8, grid=str(path), device="cpu"))
    x = np.load(first)["x"]
    _, again = sample(run, SampleOptions(n=8, grid=str(path), device="cpu"))
    assert np.array_equal(x, np.load(again)["x"])
    plain = optimize(
        run,
        OptimizeOptions(
            sampler="ggdm",
            steps=[3],
            updates=1,
            learning_rate=1e-12,
            eta=0.0,
            batch_size=16,
            n=16,
            num_samples=16,
            device="cpu",
        ),
        lambda text: None,
    )
    _, ddim = sample(run, SampleOptions(n=8, steps=3, device="cpu"))
    _, start = sample(run, SampleOptions(n=8, grid=str(plain[0]), device="cpu"))
    np.testing.assert_allclose(np.load(start)["x"], np.load(ddim)["x"], atol=1e-4)
    assert not np.allclose(x, np.load(ddim)["x"], atol=1e-3)


def test_evaluate_measures_a_found_grid(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optimize(
        run,
        OptimizeOptions(grid="dp", steps=[4], n=16, times=20, num_samples=16, device="cpu"),
        lambda text: None,
    )
    grid = run / "optimized" / "dp_4.json"
    commands.evaluate([str(run), f"grid={grid}", "n=16", "w=0", "device=cpu"])
    rows = RunFolder(run).read_summary()["stages"]
    assert ("teacher, dp", 4) in {(row["name"], row["num_steps"]) for row in rows}
    assert RunFolder(run).read_summary()["likelihood"]
    capsys.readouterr()


def test_likelihood_by_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands.evaluate(
        [str(run), "--likelihood", "n=40", "steps=4", "ode_n=4", "ode_steps=6", "device=cpu"]
    )
    said = capsys.readouterr().out
    for words in ("bound, continuous time", "bound, 4 steps", "ODE", "held-out", "±"):
        assert words in said
    rows = RunFolder(run).read_summary()["likelihood"]
    assert {row["estimate"] for row in rows} == {"bound, continuous time", "bound, 4 steps", "ODE"}
    assert all(row["standard_error"] > 0 for row in rows)
    assert "Likelihood" in RunFolder(run).report.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to optimize"),
        ({"grid": "dp", "sampler": "ggdm"}, "say what to optimize"),
        ({"grid": "dq"}, "give grid=dp"),
        ({"sampler": "ddim"}, "give sampler=ggdm"),
        ({"grid": "dp", "steps": [1]}, "steps must be at least 2"),
        ({"grid": "dp", "steps": [50], "times": 40}, "give times="),
        ({"grid": "dp", "stage": "taecher"}, "Did you mean 'teacher'"),
        ({"sampler": "ggdm", "eta": 2.0}, r"eta in \[0, 1\]"),
    ],
)
def test_mistakes(run: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        optimize(run, OptimizeOptions(**options, device="cpu"), lambda text: None)  # type: ignore[arg-type]


def test_mistakes_with_files(run: Path, tmp_path: Path) -> None:
    good = tmp_path / "grid.json"
    about = {"kind": "grid", "method": "dp", "stage": "teacher", "steps": 2}
    good.write_text(json.dumps({**about, "times": [1.0, 0.5, 0.0]}))
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    short = tmp_path / "short.json"
    short.write_text(json.dumps({**about, "times": [1.0, 0.0]}))
    for given, message in (
        ({"grid": "nowhere.json"}, "there is no file of genrl optimize"),
        ({"grid": str(bad)}, "is no file of genrl optimize"),
        ({"grid": str(short)}, "does not hold 2 steps"),
        ({"grid": str(good), "steps": 3}, "leave out steps="),
        ({"grid": str(good), "stage": "4"}, "leave out stage="),
        ({"grid": str(good), "components": {"time_grid": {"name": "karras"}}}, "its own time_grid"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            sample(run, SampleOptions(n=2, device="cpu", **given))  # type: ignore[arg-type]


def test_mistakes_with_likelihood(run: Path) -> None:
    for words, message in (
        (["--likelihood", "w=1"], "leave out w="),
        (["--likelihood", "n=1"], "n must be at least 2"),
        (["--likelihood", "steps=0"], "steps must be at least 1"),
        (["steps=4"], "belongs to --likelihood"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            commands.evaluate([str(run), *words, "device=cpu"])
    torch.set_flush_denormal(False)
