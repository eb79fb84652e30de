"""Replay buffers."""

from genrl.rl.buffers.base import Buffer, Sample, buffers
from genrl.rl.buffers.replay import ReplayBuffer

__all__ = ["Buffer", "ReplayBuffer", "Sample", "buffers"]
