"""Imitation losses."""

from genrl.imitation.losses.base import (
    ImitationLoss,
    ImitationParts,
    RewardModel,
    SupervisedLoss,
    imitation_losses,
)

__all__ = ["ImitationLoss", "ImitationParts", "RewardModel", "SupervisedLoss", "imitation_losses"]
