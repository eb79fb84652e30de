"""Imitation losses."""

from genrl.imitation.losses.base import (
    ImitationLoss,
    ImitationParts,
    RewardModel,
    SupervisedLoss,
    imitation_losses,
)
from genrl.imitation.losses.constant import Constant
from genrl.imitation.losses.gail import GAIL
from genrl.imitation.losses.smiling import SMILING

__all__ = [
    "GAIL",
    "SMILING",
    "Constant",
    "ImitationLoss",
    "ImitationParts",
    "RewardModel",
    "SupervisedLoss",
    "imitation_losses",
]
