"""Replay buffers."""

from genrl.rl.buffers.base import Buffer, Relabel, Sample, buffers
from genrl.rl.buffers.n_step import NStepBuffer
from genrl.rl.buffers.prioritized import PrioritizedBuffer
from genrl.rl.buffers.replay import ReplayBuffer

__all__ = [
    "Buffer",
    "NStepBuffer",
    "PrioritizedBuffer",
    "Relabel",
    "ReplayBuffer",
    "Sample",
    "buffers",
]
