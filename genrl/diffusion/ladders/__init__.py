"""Ladders: the stages that turn a teacher into a few-step student."""

from genrl.diffusion.ladders.base import Ladder, Position, Stage, ladders, position
from genrl.diffusion.ladders.none import NoLadder
from genrl.diffusion.ladders.progressive import ProgressiveLadder

__all__ = ["Ladder", "NoLadder", "Position", "ProgressiveLadder", "Stage", "ladders", "position"]
