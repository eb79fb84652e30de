"""Folders and files of somebody else: what they may not do, looked at before they are read.

A link may not lead out of its folder, for reading it shows and writing it changes what lies there;
a file that says how much it holds may not hold more than this machine does.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genrl.registry import ConfigurationError

_FOREIGN_LINKS = ("wandb",)  # it makes links to its own logs, and genrl neither reads nor writes it
_MOST_VALUES = 1_000_000  # of a config; the table of a schedule has thousands
_MOST_MEMORY = 0.8  # of what the machine has


def require_own_files(folder: Path) -> None:
    """Refuse a folder of which a part is elsewhere; the folder itself may be a link.

    Raises:
        ConfigurationError: if a link in it leads out, or something is neither file nor folder.
    """
    # The hub of Hugging Face keeps the files of all snapshots together, and a snapshot of links.
    is_snapshot = folder.parent.name == "snapshots"
    root = os.path.realpath(folder.parent.parent if is_snapshot else folder)
    for entry in _entries(str(folder)):
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.commonpath([root, target]) != root:
                raise ConfigurationError(
                    f"{entry.path} is refused: it is a link to {target}, outside of {folder}; "
                    "put the file itself there"
                )
        elif not (entry.is_file() or entry.is_dir()) and os.path.lexists(entry.path):
            # What a run that trains has just renamed is not there any more.
            raise ConfigurationError(f"{entry.path} is refused: it is a device or pipe, no file")


def _entries(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Everything below a folder; links are not followed."""
    if not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and entry.name not in _FOREIGN_LINKS:
                yield from _entries(entry.path)


def require_memory(num_bytes: float, path: Path, mend: str = "no honest file does") -> None:
    """Refuse what does not fit into this machine's memory.

    Args:
        num_bytes: that it would take.
        path: of the file or folder.
        mend: what to do about it.

    Raises:
        ConfigurationError: if it does not fit.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if num_bytes > _MOST_MEMORY * memory:
        raise ConfigurationError(
            f"{path} holds {num_bytes / 1e9:,.0f} GB, and this machine has {memory / 1e9:,.0f} GB: "
            f"{mend}"
        )


def require_unpacked(archive: Any, path: Path) -> None:
    """`require_memory` of all arrays of an archive that NumPy has opened.

    Raises:
        ConfigurationError: if they do not fit.
    """
    require_memory(sum(member.file_size for member in archive.zip.infolist()), path)


def require_finite(values: Any, path: Path | str) -> None:
    """Refuse nested lists and mappings that are small in the file and endless when written out.

    Each part is looked at once, wherever it is repeated.

    Raises:
        ConfigurationError: if one contains itself, or all together are too many.
    """
    try:
        count = _written_out(values, {})
    except RecursionError as error:
        raise ConfigurationError(f"{path} is nested too deeply") from error
    if count is None:
        raise ConfigurationError(f"{path} holds a mapping or a list that contains itself")
    if count > _MOST_VALUES:
        raise ConfigurationError(
            f"{path} is refused: with repetitions written out, it has over {_MOST_VALUES:,} values"
        )


def _written_out(value: Any, known: dict[int, int | None]) -> int | None:
    """How many values a part has; None where it contains itself, or one of it does."""
    if not isinstance(value, dict | list | tuple):
        return 1
    if id(value) in known:
        return known[id(value)]
    known[id(value)] = None
    parts = value.values() if isinstance(value, dict) else value
    counts = [_written_out(part, known) for part in parts]
    found = None if None in counts else 1 + sum(count or 0 for count in counts)
    known[id(value)] = found
    return found
