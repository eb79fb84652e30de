"""The command line within a test's process."""

from pathlib import Path

import pytest

from genrl.cli import main


def run(*words: str) -> int:
    """A command's exit code."""
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a wrong command prints; it must leave no file."""
    before = set(Path().rglob("*"))
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("genrl: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert set(Path().rglob("*")) == before
    return err.removeprefix("genrl: ").rstrip("\n")
