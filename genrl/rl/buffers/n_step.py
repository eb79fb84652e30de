"""Uniform replay with returns over several steps; `genrl.rl.buffers.windows` has the formula.

The sum is made when a batch is drawn, of rewards in force then: a learned reward of today never
meets one of yesterday.
"""

from typing import Any

import torch
from torch import Tensor

from genrl.rl.buffers.base import Buffer, Relabel, Sample, buffers
from genrl.rl.buffers.ring import Ring
from genrl.rl.buffers.windows import n_step_windows, require_single
from genrl.rl.transitions import Transitions


@buffers.register("n_step")
class NStepBuffer(Buffer):
    """Draws uniformly and sums the rewards of several steps, up to the end of the episode.

    r_t + γ r_{t+1} + ... + γ^{m-1} r_{t+m-1}, then γ^m V(s_{t+m}), for m = ``steps`` or less.
    Not corrected for the policy having changed since; for policies without a memory.

    Args:
        steps: n >= 1.
        capacity: steps, over all environments, >= 1.
        folder: of memory-mapped files; null for memory; see ``replay``.
        margin: with files, spare steps on the disk; see ``replay``.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        *,
        steps: int = 3,
        capacity: int = 1_000_000,
        folder: str | None = None,
        margin: int = 100_000,
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.steps = steps
        self.ring = Ring(capacity, folder, margin)

    @property
    def capacity(self) -> int:
        return self.ring.capacity

    def __len__(self) -> int:
        return len(self.ring)

    def add(self, steps: Transitions, valid: Tensor) -> None:
        self.ring.add(steps, valid)

    def sample(
        self,
        batch_size: int,
        gamma: float,
        generator: torch.Generator,
        relabel: Relabel | None = None,
        sequence_length: int = 1,
    ) -> Sample:
        require_single(self.steps, sequence_length)
        number, env = self.ring.draw(batch_size, 1, generator)
        weight = torch.ones(batch_size)
        return n_step_windows(self.ring, number, env, weight, gamma, relabel, self.steps)

    def state_dict(self) -> dict[str, Any]:
        return self.ring.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring.load_state_dict(state)
