"""Replay buffers."""

from genrl.rl.buffers.base import Buffer, Sample, buffers

__all__ = ["Buffer", "Sample", "buffers"]
