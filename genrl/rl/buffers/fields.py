"""The fields of stored transitions, one tensor each, in memory or in memory-mapped files."""

import zlib
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from genrl.rl.buffers.mapping import Layout, MappedFields, allocate
from genrl.rl.transitions import Transitions


def layout_of(steps: Transitions) -> Layout:
    """Shapes and dtypes of (time, env) steps."""
    return {
        key: (tuple(field.shape[2:]), str(field.dtype).removeprefix("torch."))
        for key, field in vars(steps).items()
    }


class Fields:
    """Rows of every field of `Transitions`; row r E + e is of environment e.

    Args:
        layout: shape and dtype of a row of each field.
        num_envs: E.
        rows: of each environment.
        folder: of memory-mapped files, or None.
        is_new: not to be found in the folder already.

    Raises:
        ConfigurationError: if the files cannot be made or opened.
    """

    def __init__(
        self, layout: Layout, num_envs: int, rows: int, folder: Path | None, *, is_new: bool
    ) -> None:
        self.layout, self.num_envs = layout, num_envs
        self.files: MappedFields | None = None
        # Nothing is stored of a field without numbers, such as the memory of most policies.
        stored = {key: item for key, item in layout.items() if 0 not in item[0]}
        self._empty = allocate({key: item for key, item in layout.items() if 0 in item[0]}, 0)
        if folder is None:
            self._tensors = allocate(stored, rows * num_envs)
        else:
            self.files = MappedFields(folder, stored, rows * num_envs, num_envs, is_new=is_new)
            self._tensors = self.files.tensors
        # Small copies cost less by numpy.
        self._blocks: dict[str, NDArray[Any]] = {
            key: field.view(rows, num_envs, *field.shape[1:]).numpy()
            for key, field in self._tensors.items()
        }
        self._expected = [
            (torch.Size((num_envs, *shape)), getattr(torch, dtype))
            for shape, dtype in layout.values()
        ]

    def check(self, steps: Transitions) -> None:
        """Refuse (time, env) steps of another layout, which a copy might broadcast.

        Raises:
            ValueError: naming the first field that differs.
        """
        for (key, field), (shape, dtype) in zip(vars(steps).items(), self._expected, strict=True):
            if field.dtype is not dtype or field.shape[1:] != shape:
                raise ValueError(
                    f"the buffer holds '{key}' of shape {('time', *shape)} and {dtype}, "
                    f"not {('time', *field.shape[1:])} and {field.dtype}"
                )

    def write_block(self, begin: int, steps: Transitions, first: int, size: int) -> None:
        """Rows from ``begin`` of all environments become ``size`` steps from ``first``."""
        for key, block in self._blocks.items():
            field = getattr(steps, key).numpy(force=True)
            block[begin : begin + size] = field[first : first + size]

    def write_rows(self, rows: Tensor, steps: Transitions, chosen: Tensor) -> None:
        """Rows become the chosen steps."""
        for key, field in self._tensors.items():
            field.index_copy_(0, rows, getattr(steps, key)[chosen])

    def gather(self, row: Tensor) -> Transitions:
        """The steps in rows of any shape."""
        flat = row.flatten()
        found = {key: field.index_select(0, flat) for key, field in self._tensors.items()}
        found.update({key: f.new_empty(len(flat), *f.shape[1:]) for key, f in self._empty.items()})
        if row.dim() == 1:
            return Transitions(**found)
        return Transitions(**{k: f.view(*row.shape, *f.shape[1:]) for k, f in found.items()})

    def field(self, key: str, row: Tensor) -> Tensor:
        """One field of the steps in rows of any shape."""
        field = self._tensors[key]
        return field.index_select(0, row.flatten()).view(*row.shape, *field.shape[1:])

    def checksum(self, rows: Tensor) -> int:
        """Of the steps in rows."""
        checksum = 0
        for field in self._tensors.values():
            checksum = zlib.crc32(field[rows].numpy().tobytes(), checksum)
        return checksum

    def first(self, filled: int) -> dict[str, Tensor]:
        """Copies of the first rows."""
        return {key: field[:filled].clone() for key, field in self._tensors.items()}

    def fill(self, fields: dict[str, Tensor]) -> None:
        """Inverse of `first`."""
        for key, field in fields.items():
            self._tensors[key][: len(field)] = field
