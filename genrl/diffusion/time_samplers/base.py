"""The contract of a training-time distribution of t."""

import abc

import torch

from genrl.diffusion.noise import BatchGenerator, draw
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.registry import Registry
from genrl.typing import Batch

time_samplers: Registry["TimeSampler"] = Registry("time_sampler")


class TimeSampler(abc.ABC):
    """Draws the times of a training batch."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule

    def draw(self, batch: int, generator: BatchGenerator) -> Batch:
        """Those of this process' ``batch`` examples, of the times of all processes."""
        return draw(self.sample, batch, generator)

    @abc.abstractmethod
    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """``batch`` times in [0, 1], float32, on the device of the generator."""
