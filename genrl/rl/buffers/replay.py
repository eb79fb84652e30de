"""Uniform replay: every step that is held is drawn with the same probability.

Lin 1992, Self-improving reactive agents based on reinforcement learning, planning and teaching;
Mnih et al. 2015, Human-level control through deep reinforcement learning.
"""

from typing import Any

import torch
from torch import Tensor

from genrl.rl.buffers.base import Buffer, Relabel, Sample, buffers
from genrl.rl.buffers.ring import Ring
from genrl.rl.buffers.windows import single_steps
from genrl.rl.transitions import Transitions


@buffers.register("replay")
class ReplayBuffer(Buffer):
    """Draws the last steps of every environment uniformly (Lin 1992).

    Args:
        capacity: steps, over all environments, >= 1.
        folder: where to keep them in memory-mapped files, in a run a name within its folder; null
            for memory. A checkpoint of files holds no data, so they must stay.
        margin: with files, spare steps on the disk; at most so many steps may come after a
            checkpoint if a killed run shall be resumed from it.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self, *, capacity: int = 1_000_000, folder: str | None = None, margin: int = 100_000
    ) -> None:
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
        number, env = self.ring.draw(batch_size, sequence_length, generator)
        weight = torch.ones(batch_size)
        return single_steps(self.ring, number, env, weight, gamma, relabel, sequence_length)

    def state_dict(self) -> dict[str, Any]:
        return self.ring.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring.load_state_dict(state)
