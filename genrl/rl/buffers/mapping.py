"""Fields of a replay buffer as memory-mapped files: larger than memory, and there after a crash.

A folder holds one file for each field, ``layout.json`` with their shapes, and ``written.bin`` with
the number of steps that each environment has ever written, raised before the steps themselves.
What a killed process wrote last is therefore never mistaken for what was there before.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genrl.registry import ConfigurationError

Layout = dict[str, tuple[tuple[int, ...], str]]  # field -> shape of a row, name of its dtype


def allocate(layout: Layout, num_rows: int) -> dict[str, Tensor]:
    """Uninitialized fields in memory; the system provides pages as they are first written."""
    return {
        key: torch.empty(num_rows, *shape, dtype=getattr(torch, dtype))
        for key, (shape, dtype) in layout.items()
    }


class MappedFields:
    """Fields in files that this process has mapped.

    Args:
        folder: of the files.
        layout: of every field.
        num_rows: of every field.
        num_envs: of the environments.
        is_new: create the files, in place of others; or open existing ones.

    Raises:
        ConfigurationError: if there is no room for new files, or the files are not those expected.
    """

    def __init__(
        self, folder: Path, layout: Layout, num_rows: int, num_envs: int, *, is_new: bool
    ) -> None:
        self.folder = folder
        expected = json.loads(json.dumps({"fields": layout, "rows": num_rows, "envs": num_envs}))
        header = folder / "layout.json"
        if is_new:
            header.unlink(missing_ok=True)
        elif not header.is_file():
            raise ConfigurationError(
                f"the replay buffer's files are gone from {folder}: restore the folder, or give "
                "its new place as buffer.folder"
            )
        elif json.loads(header.read_text()) != expected:
            raise ConfigurationError(
                f"the replay buffer in {folder} has other fields or another capacity than the "
                "checkpoint: give the folder of the run that is resumed"
            )
        self._arrays: dict[str, Any] = {
            key: self._map(key, np.dtype(dtype), (num_rows, *shape), is_new)
            for key, (shape, dtype) in layout.items()
        }
        self.written = self._map("written", np.dtype(np.int64), (num_envs,), is_new)
        if is_new:
            self.written[:] = 0
            header.write_text(json.dumps(expected))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The fields; writing to them writes to the files."""
        return {key: torch.from_numpy(array) for key, array in self._arrays.items()}

    def raise_written(self, written: NDArray[np.int64]) -> None:
        """How many steps of each environment have ever been written; it never falls."""
        np.maximum(self.written, written, out=self.written)

    def flush(self) -> None:
        """Put everything on the disk, so that it survives a failure of the machine, too."""
        for array in (*self._arrays.values(), self.written):
            array.flush()

    def _map(self, key: str, dtype: np.dtype[Any], shape: tuple[int, ...], is_new: bool) -> Any:
        path, size = self.folder / f"{key}.bin", dtype.itemsize * math.prod(shape)
        try:
            if is_new:
                self.folder.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                with path.open("xb") as file:
                    # A full disk is found here; a hole in the file would kill the process later.
                    if sys.platform == "linux":
                        os.posix_fallocate(file.fileno(), 0, size)
                    else:
                        file.truncate(size)
            elif path.stat().st_size != size:
                raise ConfigurationError(f"{path} is damaged: it has not {size} bytes")
            return np.memmap(path, dtype=dtype, mode="r+", shape=shape)
        except OSError as error:
            raise ConfigurationError(
                f"{path} of {size / 2**20:.1f} MiB cannot be mapped: {error.strerror}. Give another"
                " buffer.folder or a smaller buffer.capacity"
            ) from error
