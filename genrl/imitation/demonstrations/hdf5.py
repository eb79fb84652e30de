"""What an HDF5 file may not do: take its numbers from other files, or hold more than fits.

A link, a data set or a part of one may name another file, whose content would be read in its place;
a data set may be larger than its file, by compression or where nothing was ever written.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from genrl.foreign import require_memory
from genrl.imitation.demonstrations.reading import readable
from genrl.registry import ConfigurationError


def require_own_arrays(path: Path) -> None:
    """Refuse a file whose numbers lie in others, or do not fit into memory.

    Raises:
        ConfigurationError: if so, or if it cannot be read.
    """
    num_bytes = 0.0
    with readable(path), h5py.File(path, "r") as file:
        for name, other, size in _parts(file, "", set()):
            if other is not None:
                raise ConfigurationError(
                    f"{path} is refused: its '{name}' lies in another file, {other}; "
                    "save the numbers themselves in it"
                )
            num_bytes += size
        require_memory(num_bytes, path)


def _parts(group: Any, prefix: str, seen: set[Any]) -> Iterator[tuple[str, str | None, float]]:
    """Name, the file that it lies in where that is another, and bytes, of each link and array."""
    for key in group:
        name, link = prefix + key, group.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield name, link.filename, 0
        if not isinstance(link, h5py.HardLink):  # another name of what is looked at anyway
            continue
        item = group[key]
        if item.id in seen:
            continue
        seen.add(item.id)
        if isinstance(item, h5py.Group):
            yield from _parts(item, f"{name}/", seen)
        elif isinstance(item, h5py.Dataset):
            yield name, _other_file(item), _bytes(item)


def _other_file(item: Any) -> str | None:
    if item.external:
        return str(item.external[0][0])
    return str(item.virtual_sources()[0].file_name) if item.is_virtual else None


def _bytes(item: Any) -> float:
    """A part of a chunk is read by way of the whole."""
    number = max(math.prod(item.shape or ()), math.prod(item.chunks or ()))
    return float(number) * float(item.id.get_type().get_size())
