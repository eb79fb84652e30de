"""Writing files that are either whole or not there, and finding the name a user meant."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from genrl.registry import ConfigurationError, nearest


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary name beside ``path``, sync, rename; a failure leaves the old file.

    Raises:
        ConfigurationError: if the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _removed_on_failure(temporary):
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} could not be written ({error.strerror}); what was there before is untouched. "
            "Make room or choose another folder, then go on with: genrl resume"
        ) from error


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """`write_whole` of what is in memory already."""
    write_whole(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """`write_whole` of text."""
    write_bytes(path, text.encode())


def existing(path: Path, what: str) -> Path:
    """The path itself.

    Raises:
        ConfigurationError: if nothing is there; it names the nearest sibling.
    """
    if path.exists():
        return path
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    near = nearest(path.name, [sibling.name for sibling in parent.iterdir()])
    hint = f" Did you mean '{parent / near}'?" if near else ""
    raise ConfigurationError(f"there is no {what} {path}.{hint}")
