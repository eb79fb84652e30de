"""metrics.csv: means over the right updates, the right columns, and nothing from the future."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Trainer

from genrl.callbacks import MetricsCallback
from genrl.callbacks.metrics import read_rows

VALUES = [[1.0, 2.0, 6.0], [10.0, 20.0, 30.0, 50.0]]


def table(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_means_and_columns(tmp_path: Path, make_run: Any, make_stage: Any) -> None:
    """A row at every second update and at the end of each stage."""
    path = tmp_path / "metrics.csv"
    run = make_run(
        [make_stage("a", 3, 0.3), make_stage("b", 4, 0.4)], VALUES, metrics=[None, "tenfold"]
    )
    norm = sum(p.numel() for p in run.module.denoiser.parameters()) ** 0.5
    run.fit(MetricsCallback(path, every=2))
    header, *rows = table(path)
    assert header == ["update", "stage", "loss", "gradient_norm", "learning_rate", "tenfold"]
    assert [row[:2] for row in rows] == [["2", "a"], ["3", "a"], ["4", "b"], ["6", "b"], ["7", "b"]]
    assert [float(row[2]) for row in rows] == [1.5, 6.0, 10.0, 25.0, 50.0]
    assert [float(row[3]) for row in rows] == pytest.approx([norm] * 5, rel=1e-6)
    # The rate of the row's last update.
    rates = [0.3 * 2 / 3, 0.3 / 3, 0.4, 0.4 * 2 / 4, 0.4 / 4]
    assert [float(row[4]) for row in rows] == pytest.approx(rates, rel=1e-12)
    assert [row[5] for row in rows] == ["", "", "100.0", "250.0", "500.0"]


def started(path: Path, updates: int, module: Any, every: int = 2) -> MetricsCallback:
    module.updates = updates
    callback = MetricsCallback(path, every)
    callback.on_stage_start(trainer(), module, module.stage)
    return callback


def trainer(loggers: list[Any] | None = None, rank: int = 0) -> Trainer:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.25}])
    stub = SimpleNamespace(is_global_zero=rank == 0, loggers=loggers or [], optimizers=[optimizer])
    return cast(Trainer, stub)


def update(
    callback: MetricsCallback, module: Any, number: int, who: Trainer, **more: float
) -> None:
    stage = module.stage
    module.updates = number
    module.metrics = {name: torch.tensor(value) for name, value in more.items()}
    callback.on_update_end(who, module, stage)


@pytest.fixture
def module(make_run: Any, make_stage: Any) -> Any:
    return make_run([make_stage("a", 100)], [[]]).module


def test_a_resumed_run_forgets_the_future(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module)
    for number in range(1, 9):
        update(callback, module, number, trainer(), loss=float(number))
    whole = path.read_text()
    assert [row["update"] for row in read_rows(path)] == ["2", "4", "6", "8"]
    started(path, 5, module)
    assert [row["update"] for row in read_rows(path)] == ["2", "4"]
    resumed = started(path, 4, module)
    for number in range(5, 9):
        update(resumed, module, number, trainer(), loss=float(number))
    assert path.read_text() == whole


def test_a_row_that_is_not_full_is_carried_over(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module, every=4)
    for number, loss in enumerate((1.0, 2.0), start=1):
        update(callback, module, number, trainer(), loss=loss)
    state = {
        "sums": {name: value.clone() for name, value in callback.state_dict()["sums"].items()},
        "counts": callback.state_dict()["counts"],
    }
    update(callback, module, 3, trainer(), loss=99.0)
    resumed = started(path, 2, module, every=4)
    resumed.load_state_dict(state)
    for number, loss in enumerate((3.0, 6.0), start=3):
        update(resumed, module, number, trainer(), loss=loss)
    assert [(row["update"], row["loss"]) for row in read_rows(path)] == [("4", "3.0")]


def test_a_skipped_update_does_not_count(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module, every=3)
    update(callback, module, 1, trainer(), loss=1.0)
    update(callback, module, 2, trainer())
    update(callback, module, 3, trainer(), loss=2.0)
    assert [row["loss"] for row in read_rows(path)] == ["1.5"]


def test_a_new_column_keeps_the_old_rows(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module, every=1)
    update(callback, module, 1, trainer(), loss=1.0)
    update(callback, module, 2, trainer(), loss=2.0, rmse=0.5)
    update(callback, module, 3, trainer(), loss=3.0)
    assert table(path) == [
        ["update", "stage", "loss", "learning_rate", "rmse"],
        ["1", "a", "1.0", "0.25", ""],
        ["2", "a", "2.0", "0.25", "0.5"],
        ["3", "a", "3.0", "0.25", ""],
    ]
    assert "rmse" not in read_rows(path)[0]


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module, every=1)
    for number in (1, 2):
        update(callback, module, number, trainer(), loss=float(number))
    whole = path.read_text()
    path.write_text(whole + "3,a,3")
    assert [row["update"] for row in read_rows(path)] == ["1", "2"]
    started(path, 2, module)
    assert path.read_text() == whole


def test_floats_keep_all_their_digits(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = started(path, 0, module, every=1)
    update(callback, module, 1, trainer(), loss=0.1)
    assert torch.tensor(float(read_rows(path)[0]["loss"])) == torch.tensor(0.1)


def test_loggers_get_the_same_numbers(tmp_path: Path, module: Any) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    logger = SimpleNamespace(log_metrics=lambda metrics, step: logged.append((metrics, step)))
    callback = started(tmp_path / "metrics.csv", 0, module)
    for number, loss in enumerate((1.0, 2.0, 3.0), start=1):
        update(callback, module, number, trainer([logger]), loss=loss)
    assert logged == [({"loss": 1.5, "learning_rate": 0.25}, 2)]


def test_only_the_first_process_writes(tmp_path: Path, module: Any) -> None:
    path = tmp_path / "metrics.csv"
    callback = MetricsCallback(path, 1)
    callback.on_stage_start(trainer(rank=1), module, module.stage)
    update(callback, module, 1, trainer(rank=1), loss=1.0)
    assert not path.exists()


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "nothing.csv") == []
