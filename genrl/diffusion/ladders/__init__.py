"""Ladders: the stages that turn a teacher into a few-step student."""

from genrl.diffusion.ladders.base import Ladder, Position, Stage, ladders, position
from genrl.diffusion.ladders.consistency import ConsistencyLadder
from genrl.diffusion.ladders.none import NoLadder
from genrl.diffusion.ladders.progressive import ProgressiveLadder
from genrl.diffusion.ladders.tract import TractLadder

__all__ = [
    "ConsistencyLadder",
    "Ladder",
    "NoLadder",
    "Position",
    "ProgressiveLadder",
    "Stage",
    "TractLadder",
    "ladders",
    "position",
]
