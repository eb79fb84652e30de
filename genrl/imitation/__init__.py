"""Imitation: learning from demonstrations under any algorithm."""

from genrl.imitation import demonstrations, losses

__all__ = ["demonstrations", "losses"]
