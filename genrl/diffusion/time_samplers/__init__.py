"""Time samplers: distributions of t in training."""

from genrl.diffusion.time_samplers.base import TimeSampler, time_samplers
from genrl.diffusion.time_samplers.logit_normal import LogitNormalTimeSampler
from genrl.diffusion.time_samplers.lognormal import LognormalTimeSampler
from genrl.diffusion.time_samplers.low_discrepancy import LowDiscrepancyTimeSampler
from genrl.diffusion.time_samplers.uniform import UniformTimeSampler

__all__ = [
    "LogitNormalTimeSampler",
    "LognormalTimeSampler",
    "LowDiscrepancyTimeSampler",
    "TimeSampler",
    "UniformTimeSampler",
    "time_samplers",
]
