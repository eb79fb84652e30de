"""Algorithms."""

from genrl.rl.algorithms.base import Algorithm, Parts, algorithms

__all__ = ["Algorithm", "Parts", "algorithms"]
