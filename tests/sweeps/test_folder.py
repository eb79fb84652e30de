"""A sweep's folder may come from somebody else: it says what to train, and starts no program."""

from pathlib import Path

import pytest
import yaml

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.sweeps import resume_words, runs
from genrl.sweeps.folder import quoted


def write(path: Path, *own: str, task: tuple[str, ...] = ("seed=1,2",)) -> Path:
    """A folder with the overrides of a sweep."""
    path.mkdir(exist_ok=True)
    overrides = {"hydra": list(own), "task": list(task)}
    (path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": {"overrides": overrides}}))
    return path


def test_the_words_that_go_on(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.mode=MULTIRUN"),
        "hydra.sweep.dir=somewhere/else",
    )
    assert resume_words(path) == [
        *("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2"),
        f"hydra.sweep.dir='{path}'",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "hydra.launcher.setup=['touch owned']",
        "hydra.launcher.n_jobs=${oc.env:HOME}",
        "hydra.launcher._target_=os.system",
        "+hydra.callbacks.mine._target_=os.system",
        "hydra.sweep.subdir=../../elsewhere",
        "hydra.launcher.partition='a\ntouch owned'",
        "hydra.launcher.pre_dispatch=2*n_jobs",
        "hydra.sweep.subdir=..",
        "hydra.sweep.subdir=${name}",
        "hydra.job_logging.formatters.x.()=os.system",
        "hydra.launcher.submitit_folder=/etc",
    ],
)
def test_words_that_could_run_a_program_or_write_elsewhere(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigurationError, match="not taken from a file"):
        resume_words(write(tmp_path, word))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("+hydra.callbacks.mine._target_=os.system", "is no override of a run"),
        ("~hydra.callbacks", "is no override of a run"),
        ("--config-dir=/tmp", "is no override of a run"),
        ("seed=[1", "overrides are damaged"),
    ],
)
def test_overrides_of_runs_are_of_runs(tmp_path: Path, word: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        resume_words(write(tmp_path, task=(word,)))


def test_runs_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigurationError, match="no job of the sweep"):
        runs(tmp_path)
    for number in (10, 9, 0):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "config.yaml").touch()
    assert [run.name for run in runs(tmp_path)] == ["0", "9", "10"]


@pytest.mark.parametrize("name", ["plain", "a b", "it's", "a,b", "a=b", "[x]", "back\\slash", "é"])
def test_any_path_can_be_the_value_of_an_override(name: str) -> None:
    assert compose([f"name={quoted(Path(name))}"])["name"] == name
