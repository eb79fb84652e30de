"""Everything a learner has visited: what a reward model trains on to have no regret.

A model of the last states only chases the policy around; one of all states converges (follow the
leader).
"""

from typing import Any

import torch
from torch import Tensor


class History:
    """A ring of vectors whose memory grows with what it holds, up to a capacity.

    Args:
        size: numbers in a vector.
        capacity: vectors kept; the oldest give way.

    Raises:
        ValueError: if ``capacity < 1``.
    """

    def __init__(self, size: int, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a history needs room for at least one state, not {capacity}")
        self.capacity = capacity
        self._rows = torch.zeros(0, size)
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> Tensor:
        """What it holds, in no particular order, (len, size)."""
        return self._rows[: self._count]

    def add(self, values: Tensor) -> None:
        """Append vectors of shape (batch, size)."""
        values = values.detach()[-self.capacity :].to(self._rows)
        wanted = min(self.capacity, self._count + len(values))
        if wanted > len(self._rows):
            grown = self._rows.new_zeros(min(self.capacity, 2 * wanted), self._rows.shape[1])
            grown[: self._count] = self._rows[: self._count]
            self._rows = grown
        index = (self._next + torch.arange(len(values))) % self.capacity
        self._rows[index] = values
        self._next = (self._next + len(values)) % self.capacity
        self._count = wanted

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Vectors drawn uniformly with replacement, (batch_size, size)."""
        return self._rows[torch.randint(self._count, (batch_size,), generator=generator)]

    def state_dict(self) -> dict[str, Any]:
        """What it holds, and where the next vector goes."""
        return {"values": self.values.clone(), "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`.

        Raises:
            ValueError: if there is more than fits.
        """
        if len(state["values"]) > self.capacity:
            raise ValueError(
                f"{len(state['values'])} states were saved, but the history holds only "
                f"{self.capacity}: give the same history as before"
            )
        self._rows = state["values"].clone().cpu()
        self._count, self._next = len(self._rows), int(state["next"])
