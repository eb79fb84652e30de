"""The contract of guidance: how conditional and unconditional predictions are combined."""

import abc
from typing import ClassVar

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.prediction import Prediction
from genrl.registry import Registry
from genrl.typing import Batch, Data, Labels

guidances: Registry["Guidance"] = Registry("guidance")


class Guidance(abc.ABC):
    """Combines a denoiser's predictions into one that follows the condition more strongly.

    Args:
        num_classes: of the data; also the label of the null class.

    ``evaluations`` is how often one guided prediction evaluates the network for an example.
    """

    evaluations: ClassVar[int] = 2

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    @abc.abstractmethod
    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels, w: Batch
    ) -> Prediction:
        """The guided prediction; ``w`` is the paper's weight of each example (scale = 1 + w)."""

    def objection(self) -> str | None:
        """Why this guidance makes no sense as it is built, with the way out; None where it does.

        `genrl verify` names it with this reason instead of proving it.
        """
        return None
