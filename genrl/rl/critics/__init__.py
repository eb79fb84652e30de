"""Critics."""

from genrl.rl.critics.base import Critic, QCritic, ValueCritic, critics
from genrl.rl.critics.distributional import DistributionalQCritic
from genrl.rl.critics.ensemble_q import EnsembleQCritic
from genrl.rl.critics.q import SingleQCritic
from genrl.rl.critics.twin_q import TwinQCritic
from genrl.rl.critics.value import PerceptronValue

__all__ = [
    "Critic",
    "DistributionalQCritic",
    "EnsembleQCritic",
    "PerceptronValue",
    "QCritic",
    "SingleQCritic",
    "TwinQCritic",
    "ValueCritic",
    "critics",
]
