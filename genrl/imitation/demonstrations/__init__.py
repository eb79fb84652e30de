"""Demonstrations and their readers."""

from genrl.imitation.demonstrations.base import (
    Demonstration,
    Demonstrations,
    DemonstrationSource,
    demonstration_sources,
)

__all__ = ["Demonstration", "DemonstrationSource", "Demonstrations", "demonstration_sources"]
