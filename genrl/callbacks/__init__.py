"""Callbacks: stages, averages, evaluation, checkpoints, what a person sees.

What needs Lightning itself is imported from its own module: ``stages``, ``checkpoint_io``,
``loggers`` and ``media``.
"""

from genrl.callbacks.base import RunContext, StageCallback, ToldToEnd, callbacks
from genrl.callbacks.checkpoint import CheckpointCallback
from genrl.callbacks.ema import EMACallback
from genrl.callbacks.image_evaluation import ImageEvaluationCallback
from genrl.callbacks.likelihood_evaluation import LikelihoodEvaluationCallback
from genrl.callbacks.metrics import MetricsCallback
from genrl.callbacks.none import NoCallback
from genrl.callbacks.policy_evaluation import PolicyEvaluationCallback
from genrl.callbacks.posthoc_ema import PosthocEMACallback
from genrl.callbacks.progress import ProgressCallback

__all__ = [
    "CheckpointCallback",
    "EMACallback",
    "ImageEvaluationCallback",
    "LikelihoodEvaluationCallback",
    "MetricsCallback",
    "NoCallback",
    "PolicyEvaluationCallback",
    "PosthocEMACallback",
    "ProgressCallback",
    "RunContext",
    "StageCallback",
    "ToldToEnd",
    "callbacks",
]
