"""A search without training."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import run
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import OmegaConf

from genrl.sweeps import JobRecord, records
from genrl.sweeps.objective import quality
from genrl.sweeps.optuna_sweeper import OptunaSweeper


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["seed=1"], "a search needs something to search over"),
        (["training.learning_rate=interval(5,1)"], "is nothing to search over: `low <= high`"),
        (["seed=1,2", "hydra.sweeper.sampler=tpee"], "Did you mean 'tpe'"),
        (["seed=1,2", "hydra.sweeper.direction=up"], "hydra.sweeper.direction is one of"),
        (["seed=1,2", "hydra.sweeper.n_trials=0"], "n_trials must be at least 1, not 0"),
        (["seed=1,2", "hydra.sweeper.n_trial=3"], "n_trial"),
        (["seed=1,2", "hydra/launcher=slurm"], "hydra/launcher=slurm is not installed"),
    ],
)
def test_mistakes(
    words: list[str],
    reason: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("train", "-m", "hydra/sweeper=optuna", *words) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


class Instant(Launcher):
    """Jobs that are done at once: their figure is (learning rate - 0.3)², that of 4 none.

    Args:
        folder: of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: list[list[int]] = []

    def setup(self, **_: Any) -> None:
        """Nothing to prepare."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """The returns of real launchers, as far as they are looked at."""
        self.launched.append([])
        returns = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            self.launched[-1].append(number)
            path = self.folder / str(number)
            path.mkdir(exist_ok=True)
            JobRecord(list(overrides), 0).write(path)
            rate = float(overrides[0].partition("=")[2])
            if number != 4:
                (path / "summary.json").write_text(f'{{"final": {{"iqm": {(rate - 0.3) ** 2}}}}}')
            hydra = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(path)}}})
            returns.append(
                JobReturn(hydra_cfg=hydra, _return_value=0.0, status=JobStatus.COMPLETED)
            )
        return returns


def search(folder: Path, **settings: Any) -> tuple[list[list[int]], dict[str, Any]]:
    """Search for a learning rate; the groups of jobs that were launched, and what was found."""
    chosen = {"n_trials": 7, "n_jobs": 3, "sampler": "tpe", "seed": 1, "objective": None}
    sweeper = OptunaSweeper(**{**chosen, "direction": "minimize", **settings})
    sweeper.folder, sweeper.launcher = folder, Instant(folder)
    sweeper.config = sweeper.hydra_context = None
    sweeper.validate_batch_is_legal = lambda batch: None  # by loading the config for each
    sweeper.sweep(["lr=interval(0,1)"])
    found = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    return sweeper.launcher.launched, found


def asked(folder: Path) -> dict[str, list[str]]:
    """Job -> what was tried in it."""
    return {path.name: record.overrides for path, record in records(folder).items()}


def test_a_search_that_lost_jobs_asks_for_them_again(tmp_path: Path) -> None:
    launched, found = search(tmp_path)
    assert launched == [[0, 1, 2], [3, 4, 5], [6]]
    whole = asked(tmp_path)
    assert len({tuple(overrides) for overrides in whole.values()}) == 7
    for lost in ("3", "5"):
        shutil.rmtree(tmp_path / lost)
    assert search(tmp_path) == ([[3], [5]], found)
    assert asked(tmp_path) == whole
    assert search(tmp_path) == ([], found)


@pytest.mark.parametrize(("direction", "best"), [("minimize", min), ("maximize", max)])
def test_the_best_is_the_best_of_those_that_were_measured(
    direction: str, best: Any, tmp_path: Path
) -> None:
    _, found = search(tmp_path, direction=direction)
    values = {job: quality(tmp_path / job) for job in asked(tmp_path)}
    assert values.pop("4") is None
    assert found["measured"] == 6
    assert found["best_job"] == best(values, key=values.__getitem__)
    assert found["best_value"] == values[found["best_job"]]


def test_another_seed_is_another_search(tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        search(tmp_path / str(seed), seed=seed)
    assert asked(tmp_path / "1") != asked(tmp_path / "2")


@pytest.mark.parametrize(
    ("task", "objective", "direction"),
    [
        ("agent", None, "maximize"),
        ("agent", "final.std", "minimize"),
        ("diffusion", None, "minimize"),
    ],
)
def test_returns_are_maximized_and_all_else_minimized(
    task: str, objective: str | None, direction: str, tmp_path: Path
) -> None:
    settings = {"n_trials": 1, "n_jobs": 1, "sampler": "tpe", "seed": 0, "direction": None}
    sweeper = OptunaSweeper(**settings, objective=objective)
    launcher = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
    hydra = {"launcher": launcher, "sweep": {"dir": str(tmp_path)}}
    context = HydraContext(config_loader=None, callbacks=None)
    config = OmegaConf.create({"task": task, "hydra": hydra})
    sweeper.setup(hydra_context=context, task_function=lambda _: None, config=config)
    assert sweeper.direction == direction
