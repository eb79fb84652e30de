"""Advantage estimators."""

from genrl.rl.advantages.base import AdvantageEstimator, advantages

__all__ = ["AdvantageEstimator", "advantages"]
