"""Files are whole or not there."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from genrl.files import existing, write_bytes, write_text, write_whole
from genrl.registry import ConfigurationError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    write_bytes(path, b"short")
    assert path.read_bytes() == b"short"
    assert names(path.parent) == ["file.txt"]


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "file"
    write_bytes(path, b"a" * 20_000)
    with pytest.raises(ConfigurationError) as caught:
        write_bytes(path, b"b" * 60_000)
    assert str(caught.value).startswith(f"{path} could not be written (No space left on device);")
    assert path.read_bytes() == b"a" * 20_000
    assert names(small_disk) == ["file"]
    write_bytes(path, b"c" * 40_000)
    assert path.read_bytes() == b"c" * 40_000


def test_a_disk_that_is_full_before_the_file_exists(small_disk: Path) -> None:
    with pytest.raises(ConfigurationError, match="No space left"):
        write_bytes(small_disk / "file", b"b" * 80_000)
    assert names(small_disk) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError("x"), SystemExit(1)])
def test_an_interruption_leaves_the_old_file(
    tmp_path: Path, interruption: BaseException | type[BaseException]
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def write(file: IO[bytes]) -> None:
        file.write(b"half of it")
        raise interruption

    with pytest.raises(
        type(interruption) if isinstance(interruption, BaseException) else interruption
    ):
        write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    """Not even the interpreter gets to clean up after SIGKILL."""
    path = tmp_path / "file"
    write_bytes(path, b"old")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from genrl.files import write_whole\n"
        "def write(file):\n"
        "    file.write(b'half of it')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(Path(sys.argv[1]), write)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_two_processes_do_not_share_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "file", []

    def outer(file: IO[bytes]) -> None:
        file.write(b"outer")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        write_bytes(path, b"inner")
        seen.append(path.read_bytes())

    write_whole(path, outer)
    assert seen == [b"inner"]
    assert path.read_bytes() == b"outer"
    assert names(tmp_path) == ["file"]


def test_a_file_where_a_folder_must_be(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    with pytest.raises(ConfigurationError, match="could not be written"):
        write_bytes(tmp_path / "file" / "inside", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_existing_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "digits_long").mkdir()
    (tmp_path / "other").mkdir()
    assert existing(tmp_path / "other", "run") == tmp_path / "other"
    with pytest.raises(ConfigurationError) as caught:
        existing(tmp_path / "digits_lon", "run")
    assert str(caught.value) == (
        f"there is no run {tmp_path / 'digits_lon'}. Did you mean '{tmp_path / 'digits_long'}'?"
    )
    # The first part that is wrong is the one to mend.
    with pytest.raises(ConfigurationError) as caught:
        existing(tmp_path / "digits_lon" / "a" / "b", "run")
    assert "Did you mean" in str(caught.value)
    assert str(caught.value).startswith(f"there is no run {tmp_path / 'digits_lon'}.")


def test_existing_says_nothing_where_nothing_is_near(tmp_path: Path) -> None:
    """The folder they share does not make two names alike."""
    (tmp_path / "zzz").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        existing(tmp_path / "digits", "run")
    assert str(caught.value) == f"there is no run {tmp_path / 'digits'}."
