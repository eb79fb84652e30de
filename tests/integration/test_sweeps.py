"""A sweep: what fails stops nothing else, what was interrupted goes on, one page compares it."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from command_line import run
from processes import genrl

SMALL = [
    "data=gaussian_mixture", "network=mlp_small", "training.batch_size=8", "training.updates=4",
    "training.log_every=1", "callback@progress=none", "device=cpu", "hydra.sweep.dir=sweep",
]  # fmt: skip
QUIET = [*SMALL, "callback@evaluation=none"]
LAUNCHERS = {
    "basic": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"],
}
REFUSED = "sampler 'ddim': steps must be at least 1, not 0"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def configs(sweep: Path) -> dict[str, dict[str, object]]:
    """Folder -> config of its run."""
    files = sorted(sweep.glob("*/config.yaml"))
    return {file.parent.name: yaml.safe_load(file.read_text()) for file in files}


def seeds(sweep: Path) -> dict[str, object]:
    """Folder -> seed of its run."""
    return {name: config["seed"] for name, config in configs(sweep).items()}


def exit_codes(sweep: Path) -> dict[str, object]:
    """Folder -> how its job ended."""
    files = sorted(sweep.glob("*/job.yaml"))
    return {file.parent.name: yaml.safe_load(file.read_text())["exit_code"] for file in files}


def metrics(path: Path) -> list[dict[str, str]]:
    """Rows of a run."""
    return list(csv.DictReader((path / "metrics.csv").read_text().splitlines()))


def allow_no_steps(sweep: Path) -> None:
    """What a person does about the job that failed: here the sweep asks for 1 step, not 0."""
    for file in [sweep / "multirun.yaml", *sweep.glob("*/job.yaml")]:
        text = file.read_text()
        file.write_text(text.replace("steps=0,2", "steps=1,2").replace("steps=0", "steps=1"))


def test_a_job_that_fails_stops_no_other_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("train", "-m", *QUIET, "seed=3", "sampler.steps=0,2") == 2
    assert capfd.readouterr().err.splitlines() == [
        f"genrl: {REFUSED}",
        f"genrl: sweep/0: {REFUSED}",
        "genrl: 1 of 2 jobs failed; try them again: genrl resume sweep",
    ]
    assert seeds(Path("sweep")) == {"1": 3}
    assert run("report", "sweep") == 0
    assert capfd.readouterr() == ("sweep/report.html\n", f"genrl: sweep/0: {REFUSED}\n")
    done = Path("sweep/1/checkpoints/teacher.ckpt").stat().st_mtime_ns

    allow_no_steps(Path("sweep"))
    assert run("resume", "sweep") == 0
    assert capfd.readouterr().out.splitlines()[-1] == "compare them: genrl report sweep"
    assert seeds(Path("sweep")) == {"0": 3, "1": 3}
    assert Path("sweep/1/checkpoints/teacher.ckpt").stat().st_mtime_ns == done

    assert run("report", "sweep") == 0
    assert capfd.readouterr().out == "sweep/report.html\n"
    assert "2 runs compared" in Path("sweep/report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_by_two_under_every_launcher(
    launcher: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = [*QUIET, *LAUNCHERS[launcher]]
    assert run("train", "-m", *words, "seed=3,4", "sampler.steps=0,2") == 2
    said = capfd.readouterr()
    assert said.err.splitlines()[-3:] == [
        f"genrl: sweep/0: {REFUSED}",
        f"genrl: sweep/2: {REFUSED}",
        "genrl: 2 of 4 jobs failed; try them again: genrl resume sweep",
    ]
    assert "Traceback" not in said.err
    assert seeds(Path("sweep")) == {"1": 3, "3": 4}
    assert exit_codes(Path("sweep")) == {"0": 2, "1": 0, "2": 2, "3": 0}

    allow_no_steps(Path("sweep"))
    assert run("resume", "sweep") == 0
    assert seeds(Path("sweep")) == {"0": 3, "1": 3, "2": 4, "3": 4}
    assert exit_codes(Path("sweep")) == dict.fromkeys("0123", 0)
    # The seed decides, not the process or its neighbours; the sampler takes no part in training.
    assert metrics(Path("sweep/0")) == metrics(Path("sweep/1"))
    assert metrics(Path("sweep/1")) != metrics(Path("sweep/3"))
    assert run("report", "sweep") == 0
    assert "4 runs compared" in Path("sweep/report.html").read_text()


def killed_in_the_middle(job: Path, *words: str, by: signal.Signals) -> tuple[int, str]:
    """Start a sweep and end it once a job has a checkpoint; SIGKILL ends every process of it.

    Returns:
        Its exit code, and what it said.
    """
    with Path("said.txt").open("w") as said:
        sweep = subprocess.Popen(
            [sys.executable, "-m", "genrl", "train", "-m", *words],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    while not (job / "checkpoints" / "last.ckpt").exists():
        assert sweep.poll() is None, Path("said.txt").read_text()
        time.sleep(0.05)
    if by is signal.SIGKILL:
        os.killpg(sweep.pid, by)
    else:
        sweep.send_signal(by)
    return sweep.wait(300), Path("said.txt").read_text()


LONG = [*QUIET, "training.updates=400", "checkpoint.every=1"]


@pytest.mark.slow
def test_what_a_kill_interrupted_goes_on_and_what_it_came_before_begins() -> None:
    killed_in_the_middle(Path("sweep/0"), *LONG, "seed=5,6", by=signal.SIGKILL)
    assert seeds(Path("sweep")) == {"0": 5}
    assert exit_codes(Path("sweep")) == {"0": None}
    assert run("resume", "sweep") == 0
    assert seeds(Path("sweep")) == {"0": 5, "1": 6}
    for seed, job in ((5, 0), (6, 1)):
        assert run("train", *LONG, f"seed={seed}", f"hydra.run.dir=straight{job}") == 0
        rows = metrics(Path(f"straight{job}"))
        assert len(rows) == 400
        assert rows == metrics(Path(f"sweep/{job}"))


@pytest.mark.slow
def test_sigterm_to_a_sweep_lets_its_job_write_a_checkpoint() -> None:
    code, said = killed_in_the_middle(Path("sweep/0"), *LONG, "seed=5,6", by=signal.SIGTERM)
    assert code == 143
    assert said == "genrl: the sweep is interrupted; go on with: genrl resume sweep\n"
    assert seeds(Path("sweep")) == {"0": 5}
    assert "go on with: genrl resume" in Path("sweep/0/genrl.log").read_text()


@pytest.mark.slow
def test_a_search_by_optuna(capfd: pytest.CaptureFixture[str]) -> None:
    search = [
        "hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2",
        "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "evaluation.num_samples=200",
        "evaluation.reference_steps=4", "evaluation.teacher_steps=[2]", "training.updates=60",
        "training.batch_size=64", "training.warmup_updates=5",
        "training.learning_rate=interval(1e-6,1e-1)", "parameterization=v,x",
    ]  # fmt: skip
    words = [word for word in SMALL if not word.startswith(("training.b", "training.u"))]
    assert run("train", "-m", *words, *search) == 0
    assert "best of 6: sweep/" in capfd.readouterr().out
    found = yaml.safe_load(Path("sweep/optimization_results.yaml").read_text())
    values = {
        path.parent.name: min(row["frechet"] for row in yaml.safe_load(path.read_text())["stages"])
        for path in Path("sweep").glob("*/summary.json")
    }
    assert len(values) == found["measured"] == 6
    assert found["best_value"] == min(values.values())
    assert values[found["best_job"]] == found["best_value"]
    asked = {name: config["training"] for name, config in configs(Path("sweep")).items()}

    # What an uninterrupted search asked for, one that lost its last trials asks for again.
    for lost in ("4", "5"):
        assert run("report", f"sweep/{lost}") == 0
        subprocess.run(["rm", "-r", f"sweep/{lost}"], check=True)
    Path("sweep/optimization_results.yaml").unlink()
    assert run("resume", "sweep") == 0
    assert {name: config["training"] for name, config in configs(Path("sweep")).items()} == asked
    assert yaml.safe_load(Path("sweep/optimization_results.yaml").read_text()) == found


@pytest.mark.slow
def test_several_devices_for_each_job() -> None:
    words = [*QUIET, "trainer=ddp", "trainer.devices=2"]
    done = genrl("train", "-m", *words, "training.updates=2", "seed=1,2")
    assert done.returncode == 0, done.stderr
    assert seeds(Path("sweep")) == {"0": 1, "1": 2}
    assert sorted(path.name for path in Path("sweep").iterdir()) == ["0", "1", "multirun.yaml"]


def test_a_folder_that_is_no_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep").mkdir()
    Path("sweep/multirun.yaml").write_text("hydra: {}\n")
    assert run("resume", "sweep") == 2
    assert "is no sweep of Hydra's" in capsys.readouterr().err
    assert run("report", "sweep") == 2
    assert "no job of the sweep sweep has become a run" in capsys.readouterr().err
