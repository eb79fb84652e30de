"""What a job's process is told, and what becomes of how it ends.

A script stands in for the interpreter: a start of genrl takes seconds. The integration tests run
the real one.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from genrl.endings import FAILURE_FILE
from genrl.registry import ConfigurationError
from genrl.sweeps import JobRecord, sweep_job

OVERRIDES = ["seed=1", "sampler=heun"]
Job = Callable[..., float | None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A job's folder, whose name needs quotes."""
    (tmp_path / "it's" / "0").mkdir(parents=True)
    return tmp_path / "it's" / "0"


@pytest.fixture
def job(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """Begins the job, with a script for the process; its words and its first record are noted."""
    hydra = OmegaConf.structured(HydraConf)
    hydra.runtime.output_dir, hydra.runtime.cwd = str(path), str(path.parent)
    hydra.runtime.config_sources, hydra.overrides.task = [], OVERRIDES
    HydraConfig.instance().set_config(OmegaConf.create({"hydra": hydra}))

    def begin(script: str) -> float | None:
        program = path.parent / "program"
        note = f'cp "{path}/job.yaml" ../begun.yaml; for word; do echo "$word"; done > ../words'
        program.write_text(f"#!/bin/sh\n{note}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.chdir(os.sep)
        return sweep_job(OmegaConf.create())

    yield begin
    HydraConfig.instance().cfg = None


def words(path: Path) -> list[str]:
    """Of the last process, without how genrl is started."""
    found = (path.parent.parent / "words").read_text().splitlines()
    assert found[:2] == ["-m", "genrl"]
    return found[2:]


def test_a_job_that_has_not_begun(job: Job, path: Path) -> None:
    (path / "summary.json").write_text(json.dumps({"final": {"iqm": 5}}))
    assert job("exit 0") == 5
    quoted = str(path).replace("'", r"\'")
    assert words(path) == ["train", *OVERRIDES, f"hydra.run.dir='{quoted}'"]
    assert JobRecord.read(path) == JobRecord(OVERRIDES, 0)
    (path.parent.parent / "begun.yaml").rename(path / "job.yaml")
    assert JobRecord.read(path) == JobRecord(OVERRIDES)  # as a kill in the middle would leave it


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        (f'printf "it is wrong" > "${FAILURE_FILE}"; exit 2', 2, "it is wrong"),
        ("kill -KILL $$", -9, "killed by SIGKILL"),
        ("exit 143", 143, "terminated; its checkpoint is written"),
        ("exit 7", 7, "it crashed (exit code 7)"),
    ],
)
def test_a_job_that_fails_says_why_and_is_tried_again(
    script: str, code: int, reason: str, job: Job, path: Path
) -> None:
    (path / "summary.json").write_text(json.dumps({"final": {"iqm": 5}}))
    assert job(script) is None
    assert JobRecord.read(path) == JobRecord(OVERRIDES, code, reason)
    # What it said is not said of the next end, and a run that began is not begun again.
    (path / "config.yaml").touch()
    assert job("exit 1") is None
    assert words(path) == ["resume", str(path)]
    assert JobRecord.read(path) == JobRecord(OVERRIDES, 1, "it crashed (exit code 1)")


def test_a_job_that_is_finished_is_left_as_it_is(job: Job, path: Path) -> None:
    (path / "summary.json").write_text(json.dumps({"final": {"iqm": 5}}))
    JobRecord(OVERRIDES, 0).write(path)
    assert job("exit 1") == 5
    assert not (path.parent.parent / "words").exists()


def test_a_job_of_another_sweep(job: Job, path: Path) -> None:
    JobRecord(["seed=2"], 0).write(path)
    with pytest.raises(ConfigurationError, match=r"another sweep \(seed=2\)"):
        job("exit 0")
