"""Reinforcement learning in plain torch and gymnasium: policies, critics, algorithms, buffers."""

from genrl.rl import advantages, algorithms, buffers, critics, policies

__all__ = ["advantages", "algorithms", "buffers", "critics", "policies"]
