"""One ring of steps for each environment, the storage that all replay buffers share.

Step k of environment e lies in row (k mod R) E + e, where E environments have R rows each. The
steps that may be drawn are the last C of every environment, C <= R, so that consecutive steps are
of one environment and a draw never joins the newest step to the oldest.

Rows beyond C exist where the ring is memory-mapped. A checkpoint then holds no data, only how much
was written; the R - C spare rows take what a process writes between its checkpoint and its death,
and every step that could be drawn at the checkpoint is still in its file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genrl.registry import ConfigurationError
from genrl.rl.buffers.fields import Fields, layout_of
from genrl.rl.transitions import Transitions


class Ring:
    """Steps of a fixed number of environments, allocated at the first `add`.

    Args:
        capacity: steps that may be drawn, over all environments, >= 1; rounded down to a multiple
            of the number of environments.
        folder: of memory-mapped files, or None for memory.
        margin: spare steps of the files, over all environments, >= 0.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, capacity: int, folder: str | None = None, margin: int = 0) -> None:
        if capacity < 1 or margin < 0:
            raise ValueError(
                f"capacity must be at least 1 and margin at least 0, not {capacity} and {margin}"
            )
        self.capacity = capacity
        self.folder = None if folder is None else Path(folder)
        self.margin = 0 if folder is None else margin
        self._may_replace = False
        self._forget()

    def _forget(self) -> None:
        self._fields: Fields | None = None
        self.num_envs = self.limit = self.rows = 0
        self.written: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.counts = self.written

    @property
    def fields(self) -> Fields:
        """What is stored, row by row; there is nothing before the first `add`."""
        assert self._fields is not None
        return self._fields

    def __len__(self) -> int:
        return sum(self.counts.tolist())  # of few numbers, in a tenth of numpy's time

    def add(self, steps: Transitions, valid: Tensor) -> Tensor:
        """Append (time, env) steps; the rows they were written to.

        Raises:
            ValueError: if the number of environments or the shape of a field has changed.
        """
        if self._fields is None:
            self._begin(steps)
        else:
            self._fields.check(steps)
        if self.num_envs == 1:
            whole = steps if bool(valid.all()) else steps.map(lambda field: field[valid[:, 0]])
            return self._append(whole)
        if bool(valid.all()) and bool((self.written == self.written[0]).all()):
            return self._append(steps)
        return self._scatter(steps, valid.cpu())

    def _append(self, steps: Transitions) -> Tensor:
        """Steps of equally many of every environment: at most two blocks of rows."""
        time, envs = len(steps), self.num_envs
        skip = max(0, time - self.rows)
        first = int(self.written[0]) + skip
        self._advance(np.full(envs, time, dtype=np.int64))
        begin = first % self.rows
        size = min(time - skip, self.rows - begin)
        self.fields.write_block(begin, steps, skip, size)
        if skip + size < time:
            self.fields.write_block(0, steps, skip + size, time - skip - size)
        rows = torch.arange(first * envs, (first + time - skip) * envs)
        return rows.remainder_(self.rows * envs)

    def _scatter(self, steps: Transitions, valid: Tensor) -> Tensor:
        before = torch.from_numpy(self.written)
        added = valid.sum(0)
        number = before + valid.cumsum(0) - 1
        valid = valid & (number >= before + added - self.rows)
        rows = (number % self.rows * self.num_envs + torch.arange(self.num_envs))[valid]
        self._advance(added.numpy())
        self.fields.write_rows(rows, steps, valid)
        return rows

    def _advance(self, added: NDArray[np.int64]) -> None:
        self.written = self.written + added
        self.counts = np.minimum(self.written, self.limit)
        if self.fields.files is not None:
            self.fields.files.raise_written(self.written)

    def starts(self, length: int) -> NDArray[np.int64]:
        """How many steps of each environment begin a sequence of ``length`` steps.

        Raises:
            ValueError: if none does.
        """
        starts = np.maximum(self.counts - (length - 1), 0)
        if length < 1 or not starts.any():
            raise ValueError(
                f"no sequence of {length} steps can be drawn from {len(self)} steps of "
                f"{self.num_envs} environments: collect more first"
            )
        return starts

    def draw(
        self, batch_size: int, length: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Uniform first steps of sequences, (batch,): their number and their environment.

        Raises:
            ValueError: if no environment has ``length`` steps.
        """
        starts = self.starts(length)
        total = int(starts.sum())
        pick = torch.randint(total, (batch_size,), generator=generator)
        if self.num_envs == 1:
            return pick + int(self.written[0] - self.counts[0]), torch.zeros_like(pick)
        ends = torch.from_numpy(starts.cumsum())
        env = torch.searchsorted(ends, pick, right=True)
        oldest = torch.from_numpy(self.written - self.counts + starts)
        return pick + (oldest - ends).index_select(0, env), env

    def row(self, number: Tensor, env: Tensor) -> Tensor:
        """Where step ``number`` of an environment lies."""
        row = number.remainder(self.rows)
        return row if self.num_envs == 1 else row.mul_(self.num_envs).add_(env)

    def locate(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Number and environment of the steps in rows that may be drawn."""
        env = row % self.num_envs
        newest = torch.from_numpy(self.written - 1).index_select(0, env)
        return newest - (newest - row // self.num_envs).remainder(self.rows), env

    def newest(self, env: Tensor) -> Tensor:
        """Number of the newest step of environments."""
        return torch.from_numpy(self.written - 1)[env]

    def state_dict(self) -> dict[str, Any]:
        """What is filled, or for files how far they are filled."""
        if self._fields is None:
            return {"num_envs": 0}
        layout = self._fields.layout
        state: dict[str, Any] = {
            "num_envs": self.num_envs,
            "rows": [self.limit, self.rows],
            "layout": {key: [list(shape), dtype] for key, (shape, dtype) in layout.items()},
            "written": torch.from_numpy(self.written.copy()),
            "is_mapped": self.folder is not None,
        }
        if self._fields.files is None:
            filled = min(int(self.written.max()), self.rows)
            state["fields"] = self._fields.first(filled * self.num_envs)
        else:
            self._fields.files.flush()
            state["checksum"] = self._checksum()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`.

        Raises:
            ConfigurationError: if the state is of a buffer of another kind or capacity, or files
                no longer hold all steps that could be drawn when the state was made.
        """
        self._forget()
        if not state["num_envs"]:
            self._may_replace = True
            return
        if state["is_mapped"] != (self.folder is not None):
            raise ConfigurationError(
                "the checkpoint is of a memory-mapped replay buffer: give its buffer.folder"
                if state["is_mapped"]
                else "the checkpoint holds the replay buffer's data itself: buffer.folder must be "
                "null"
            )
        self._size(int(state["num_envs"]))
        if [self.limit, self.rows] != state["rows"]:
            raise ConfigurationError(
                f"the checkpoint's replay buffer draws from {state['rows'][0]} of "
                f"{state['rows'][1]} rows of an environment, this one from {self.limit} of "
                f"{self.rows}: leave buffer.capacity and buffer.margin as they were"
            )
        layout = {key: (tuple(shape), dtype) for key, (shape, dtype) in state["layout"].items()}
        fields = Fields(layout, self.num_envs, self.rows, self.folder, is_new=False)
        self._fields = fields
        self.written = state["written"].numpy().copy()
        self.counts = np.minimum(self.written, self.limit)
        if fields.files is None:
            fields.fill(state["fields"])
            return
        lost = int((fields.files.written - self.written).max())
        if lost > self.rows - self.limit:
            raise ConfigurationError(
                f"{self.folder}: {lost} steps of an environment were written after the checkpoint, "
                f"more than the {self.rows - self.limit} spare ones, so older steps are gone. "
                "Begin anew with a larger buffer.margin or more frequent checkpoints"
            )
        if self._checksum() != state["checksum"]:
            raise ConfigurationError(
                f"the replay buffer in {self.folder} is not that of the checkpoint: its newest "
                "steps differ"
            )

    def _checksum(self) -> int:
        """Of the newest steps, to recognize files."""
        env = torch.arange(self.num_envs)
        recent = torch.from_numpy(self.written)[:, None] - 1 - torch.arange(16)
        chosen = recent >= torch.from_numpy(self.written - self.counts)[:, None]
        return self.fields.checksum(self.row(recent, env[:, None].expand_as(recent))[chosen])

    def _begin(self, steps: Transitions) -> None:
        is_taken = self.folder is not None and (self.folder / "layout.json").exists()
        if is_taken and not self._may_replace:
            raise ConfigurationError(
                f"there is a replay buffer in {self.folder} already: resume the run that it "
                "belongs to, remove it, or give another buffer.folder"
            )
        self._size(steps.shape[1])
        layout = layout_of(steps)
        self._fields = Fields(layout, self.num_envs, self.rows, self.folder, is_new=True)
        self.written = np.zeros(self.num_envs, dtype=np.int64)
        self.counts = self.written

    def _size(self, num_envs: int) -> None:
        self.num_envs, self.limit = num_envs, self.capacity // num_envs
        self.rows = self.limit + -(-self.margin // num_envs)
        if not self.limit:
            raise ConfigurationError(
                f"a replay buffer of {self.capacity} steps is too small for {num_envs} environments"
            )
