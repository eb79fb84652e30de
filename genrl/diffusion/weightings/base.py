"""The contract of a loss weighting: a factor on the mean squared error in x."""

import abc

from torch import Tensor, nn

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.registry import Registry
from genrl.typing import Batch

weightings: Registry["Weighting"] = Registry("weighting")


class Weighting(abc.ABC):
    """Weight of ||x - x̂||² at each time; ε-MSE is the weight SNR, v-MSE is SNR + 1.

    ``trainable`` holds what a weighting learns beside the student, with the student's optimizer; it
    has a method ``reset_parameters``, which is called where a stage starts.
    """

    trainable: nn.Module | None = None

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule

    @abc.abstractmethod
    def __call__(self, t: Batch) -> Batch:
        """The weight at t, not negative, in the type of t."""

    def log_variance(self, t: Batch) -> Tensor | None:
        """u(t), which makes the loss weight · error / e^u + u; None leaves it weight · error."""
        return None
