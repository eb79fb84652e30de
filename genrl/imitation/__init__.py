"""Imitation: learning from demonstrations under any algorithm."""

from genrl.imitation import demonstrations, losses
from genrl.imitation.cloning import Cloning

__all__ = ["Cloning", "demonstrations", "losses"]
