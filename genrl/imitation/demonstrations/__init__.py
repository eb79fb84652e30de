"""Demonstrations: readers of files, the ones that are shipped, recording and writing."""

from genrl.imitation.demonstrations.absorbing import with_absorbing_states, without_idle_actions
from genrl.imitation.demonstrations.base import (
    Demonstration,
    Demonstrations,
    DemonstrationSource,
    demonstration_sources,
)
from genrl.imitation.demonstrations.d4rl import D4RLDemonstrations
from genrl.imitation.demonstrations.minari import MinariDemonstrations
from genrl.imitation.demonstrations.minari_writer import require_free, write_minari
from genrl.imitation.demonstrations.npz import NpzDemonstrations
from genrl.imitation.demonstrations.recording import record
from genrl.imitation.demonstrations.shipped import shipped, shipped_ids

__all__ = [
    "D4RLDemonstrations",
    "Demonstration",
    "DemonstrationSource",
    "Demonstrations",
    "MinariDemonstrations",
    "NpzDemonstrations",
    "demonstration_sources",
    "record",
    "require_free",
    "shipped",
    "shipped_ids",
    "with_absorbing_states",
    "without_idle_actions",
    "write_minari",
]
