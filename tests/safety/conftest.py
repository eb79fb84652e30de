"""A finished run, a place that must stay empty, and the one line that a refusal is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run as run_command
from hostile import SMALL, Refused

from genrl.config import compose
from genrl.run_folder import RunFolder


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Path]:
    """What a bomb would make; it must not be there in the end."""
    path = tmp_path / "it_went_off"
    yield path
    assert not path.exists()


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    assert run_command("train", *SMALL, f"hydra.run.dir={path}") == 0
    return path


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> RunFolder:
    """A copy of a run with one stage, to spoil."""
    return RunFolder(shutil.copytree(_trained, tmp_path / "run"))


@pytest.fixture
def begun(tmp_path: Path) -> RunFolder:
    """A run that was killed before its first checkpoint."""
    return RunFolder.create(tmp_path / "begun", compose(SMALL))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must end with exit code 2 and one line, which is given back."""

    def call(*words: str) -> str:
        capsys.readouterr()
        assert run_command(*words) == 2
        err = capsys.readouterr().err
        assert err.startswith("genrl: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return call
