"""Prioritized replay: steps are drawn in proportion to how wrong the critic was about them.

P(i) = p_i^α / Σ_j p_j^α,  p_i = |δ_i| + ε,  w_i = (N P(i))^{-β} / max_batch w

New steps get the greatest priority so far. A batch is stratified: example j comes from the j-th of
equal parts of the total priority. β grows linearly to 1, where the weights undo the preference.

Schaul et al. 2016, Prioritized Experience Replay, section 3 (proportional variant).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genrl.rl.buffers.base import Buffer, Relabel, Sample, buffers
from genrl.rl.buffers.ring import Ring
from genrl.rl.buffers.sum_tree import SumTree
from genrl.rl.buffers.windows import n_step_windows, require_single, single_steps
from genrl.rl.transitions import Transitions


@buffers.register("prioritized")
class PrioritizedBuffer(Buffer):
    """Draws in proportion to (|TD error| + ε)^α, with weights that correct for it.

    Args:
        alpha: α >= 0; 0 is uniform.
        beta: β of the first batch, in [0, 1].
        anneal: batches until β is 1; 0 keeps it as it is.
        epsilon: ε > 0, so that no step is out of reach; in units of the return.
        steps: n of n-step returns, >= 1.
        capacity: steps, over all environments, >= 1.
        folder: of memory-mapped files; null for memory; see ``replay``.
        margin: with files, spare steps on the disk; see ``replay``.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.6,
        beta: float = 0.4,
        anneal: int = 100_000,
        epsilon: float = 1e-6,
        steps: int = 1,
        capacity: int = 1_000_000,
        folder: str | None = None,
        margin: int = 100_000,
    ) -> None:
        if alpha < 0 or not 0 <= beta <= 1 or anneal < 0 or epsilon <= 0 or steps < 1:
            raise ValueError(
                "alpha and anneal must be at least 0, beta between 0 and 1, epsilon positive and "
                f"steps at least 1, not {alpha}, {anneal}, {beta}, {epsilon} and {steps}"
            )
        self.alpha, self.first_beta, self.anneal = alpha, beta, anneal
        self.epsilon, self.steps = epsilon, steps
        self.ring = Ring(capacity, folder, margin)
        self._tree: SumTree | None = None
        self._greatest = 1.0
        self._drawn = 0

    @property
    def capacity(self) -> int:
        return self.ring.capacity

    @property
    def beta(self) -> float:
        """Of the next batch."""
        done = min(1.0, self._drawn / self.anneal) if self.anneal else 0.0
        return self.first_beta + (1 - self.first_beta) * done

    @property
    def tree(self) -> SumTree:
        """Of the values p^α by row."""
        if self._tree is None:
            self._tree = SumTree(self.ring.rows * self.ring.num_envs)
        return self._tree

    def __len__(self) -> int:
        return len(self.ring)

    def add(self, steps: Transitions, valid: Tensor) -> None:
        before = self.ring.written - self.ring.counts
        rows = self.ring.add(steps, valid)
        after = self.ring.written - self.ring.counts
        if self.ring.rows > self.ring.limit:
            # Steps that fell out of the window are not overwritten at once, but done with.
            gone = self._rows(before if len(before) else np.zeros_like(after), after)
            self.tree.set(gone, torch.zeros(len(gone), dtype=torch.float64))
        self.tree.set(rows, torch.full(rows.shape, self._greatest, dtype=torch.float64))

    def _rows(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Tensor:
        """Of the steps with numbers from begin to end of each environment."""
        ahead = torch.arange(int((end - begin).max()))[:, None]
        number = torch.from_numpy(begin) + ahead
        env = torch.arange(self.ring.num_envs).expand_as(number)
        return self.ring.row(number, env)[number < torch.from_numpy(end)]

    def sample(
        self,
        batch_size: int,
        gamma: float,
        generator: torch.Generator,
        relabel: Relabel | None = None,
        sequence_length: int = 1,
    ) -> Sample:
        require_single(self.steps, sequence_length)
        row, value, share = self._draw(batch_size, sequence_length, generator)
        weight = (share * value).pow_(-self.beta)
        weight /= weight.max()
        self._drawn += 1
        number, env = self.ring.locate(row)
        if self.steps > 1:
            return n_step_windows(self.ring, number, env, weight, gamma, relabel, self.steps)
        return single_steps(self.ring, number, env, weight, gamma, relabel, sequence_length)

    def _draw(
        self, batch_size: int, length: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, float]:
        """Rows, their values, and N / Σ p^α over what may be drawn."""
        starts = self.ring.starts(length)
        oldest = self.ring.written - self.ring.counts
        # The newest steps begin no sequence.
        late = self._rows(oldest + starts, self.ring.written)
        kept = self.tree.get(late)
        self.tree.set(late, torch.zeros_like(kept))
        total = self.tree.total
        part = torch.rand(batch_size, generator=generator, dtype=torch.float64)
        row = self.tree.find((part + torch.arange(batch_size)) * (total / batch_size))
        value = self.tree.get(row)
        self.tree.set(late, kept)
        return row, value, int(starts.sum()) / total

    def update_priorities(self, index: Tensor, error: Tensor) -> None:
        """Set priorities to |δ| + ε.

        Raises:
            ValueError: if an error is NaN or infinite.
        """
        priority = error.detach().to("cpu", torch.float64).abs() + self.epsilon
        greatest = float(priority.max())
        if not greatest < float("inf"):
            raise ValueError("a TD error is NaN or infinite: the critic has diverged")
        value = priority.pow(self.alpha)
        # A step may have fallen out of the window since it was drawn.
        self.tree.set(index, value.where(self.tree.get(index) > 0, 0.0))
        self._greatest = max(self._greatest, greatest**self.alpha)

    def state_dict(self) -> dict[str, Any]:
        filled = min(int(self.ring.written.max(initial=0)), self.ring.rows) * self.ring.num_envs
        return {
            "ring": self.ring.state_dict(),
            "values": self.tree.values[:filled].clone() if filled else torch.empty(0),
            "greatest": self._greatest,
            "drawn": self._drawn,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring.load_state_dict(state["ring"])
        self._greatest, self._drawn = float(state["greatest"]), int(state["drawn"])
        self._tree = None
        if len(state["values"]):
            self.tree.load(state["values"])
