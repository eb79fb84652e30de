"""Imitation losses."""

from genrl.imitation.losses.base import (
    ImitationLoss,
    ImitationParts,
    RewardModel,
    SupervisedLoss,
    imitation_losses,
)
from genrl.imitation.losses.smiling import SMILING

__all__ = [
    "SMILING",
    "ImitationLoss",
    "ImitationParts",
    "RewardModel",
    "SupervisedLoss",
    "imitation_losses",
]
