"""The contract of a parameterization: what the network's output means."""

import abc
from typing import ClassVar

from torch import Tensor

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.registry import Registry
from genrl.typing import Data

parameterizations: Registry["Parameterization"] = Registry("parameterization")


class Parameterization(abc.ABC):
    """Reads a prediction off the network's output, and back.

    ``num_outputs`` is how many output channels the network gives for one channel of data.
    """

    num_outputs: ClassVar[int] = 1

    def input_scale(self, level: NoiseLevel) -> Tensor | float:
        """What z is multiplied by before the network sees it."""
        return 1.0

    @abc.abstractmethod
    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        """x and ε from the network's output at the noisy z.

        With the output and its form, where x is linear in it, samplers step without finding x.
        """

    @abc.abstractmethod
    def output(self, prediction: Prediction) -> Data:
        """The inverse: what a network would have to give for this x and ε."""

    def objection(self, schedule: NoiseSchedule) -> str | None:
        """Why this parameterization makes no sense with a schedule, with the way out; or None.

        `genrl verify` names the combination with this reason instead of measuring it.
        """
        return None
