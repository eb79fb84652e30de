"""Critics."""

from genrl.rl.critics.base import Critic, QCritic, ValueCritic, critics
from genrl.rl.critics.distributional import DistributionalQCritic
from genrl.rl.critics.ensemble_q import EnsembleQCritic
from genrl.rl.critics.q import QPerceptron
from genrl.rl.critics.twin_q import TwinQCritic
from genrl.rl.critics.value import ValuePerceptron

__all__ = [
    "Critic",
    "DistributionalQCritic",
    "EnsembleQCritic",
    "QCritic",
    "QPerceptron",
    "TwinQCritic",
    "ValueCritic",
    "ValuePerceptron",
    "critics",
]
