"""Advantage estimators."""

from genrl.rl.advantages.base import AdvantageEstimator, advantages
from genrl.rl.advantages.gae import GAE
from genrl.rl.advantages.n_step import NStep
from genrl.rl.advantages.scan import backward_scan
from genrl.rl.advantages.td_lambda import TDLambda
from genrl.rl.advantages.v_trace import VTrace

__all__ = [
    "GAE",
    "AdvantageEstimator",
    "NStep",
    "TDLambda",
    "VTrace",
    "advantages",
    "backward_scan",
]
