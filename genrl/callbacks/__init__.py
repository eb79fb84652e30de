"""Callbacks: stages, averages, evaluation, checkpoints, what a person sees."""

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.callbacks.checkpoint import CheckpointCallback, SafeCheckpointIO
from genrl.callbacks.ema import EMACallback
from genrl.callbacks.image_evaluation import ImageEvaluationCallback
from genrl.callbacks.likelihood_evaluation import LikelihoodEvaluationCallback
from genrl.callbacks.loggers import SafeLogger, build_loggers
from genrl.callbacks.media import MediaCallback
from genrl.callbacks.metrics import MetricsCallback
from genrl.callbacks.none import NoCallback
from genrl.callbacks.policy_evaluation import PolicyEvaluationCallback
from genrl.callbacks.posthoc_ema import PosthocEMACallback
from genrl.callbacks.progress import ProgressCallback
from genrl.callbacks.stages import StagesCallback

__all__ = [
    "CheckpointCallback",
    "EMACallback",
    "ImageEvaluationCallback",
    "LikelihoodEvaluationCallback",
    "MediaCallback",
    "MetricsCallback",
    "NoCallback",
    "PolicyEvaluationCallback",
    "PosthocEMACallback",
    "ProgressCallback",
    "RunContext",
    "SafeCheckpointIO",
    "SafeLogger",
    "StageCallback",
    "StagesCallback",
    "build_loggers",
    "callbacks",
]
