"""Imitation losses."""

from genrl.imitation.losses.airl import AIRL
from genrl.imitation.losses.base import (
    ImitationLoss,
    ImitationParts,
    RewardModel,
    SupervisedLoss,
    imitation_losses,
)
from genrl.imitation.losses.bc import BC
from genrl.imitation.losses.constant import Constant
from genrl.imitation.losses.dac import DAC
from genrl.imitation.losses.dagger import DAgger
from genrl.imitation.losses.fem import FEM
from genrl.imitation.losses.gail import GAIL
from genrl.imitation.losses.game_theoretic import GameTheoretic
from genrl.imitation.losses.smiling import SMILING
from genrl.imitation.losses.sqil import SQIL

__all__ = [
    "AIRL",
    "BC",
    "DAC",
    "FEM",
    "GAIL",
    "SMILING",
    "SQIL",
    "Constant",
    "DAgger",
    "GameTheoretic",
    "ImitationLoss",
    "ImitationParts",
    "RewardModel",
    "SupervisedLoss",
    "imitation_losses",
]
