"""The contract of guidance: how predictions become one that follows a condition more strongly."""

import abc
from typing import ClassVar, Protocol

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.registry import Registry
from genrl.typing import Batch, Data, Labels

guidances: Registry["Guidance"] = Registry("guidance")


class Guide(Protocol):
    """A guided prediction; ``w`` is the weight of each example."""

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction: ...


class Guidance(abc.ABC):
    """Combines a denoiser's predictions into one that follows the condition more strongly.

    A call is a function of its arguments alone, with α x + σ ε = z: times are random and without
    order where it is the teacher of a distillation. A sampler calls what `begin` returns, which may
    remember the evaluations before or send the sampler on from another z.

    Args:
        num_classes: of the data; also the label of the null class.
        sources: opens what a guidance names by a path: other models, arrays.

    ``evaluations`` is what a guided prediction costs for an example, in evaluations of the network;
    a gradient with respect to z costs as much as one more. ``needs_labels`` says whether there is
    none without classes, ``is_plain_at_zero`` whether w = 0 is the conditional model as it is.
    """

    evaluations: ClassVar[int] = 2
    needs_labels: ClassVar[bool] = True
    is_plain_at_zero: ClassVar[bool] = True

    def __init__(self, num_classes: int, sources: Sources | None = None) -> None:
        self.num_classes = num_classes

    @abc.abstractmethod
    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        """The guided prediction; ``w`` is the paper's weight of each example (scale = 1 + w)."""

    def begin(self) -> Guide:
        """What one run of a sampler calls."""
        return self

    def evaluations_at(self, t: float, log_snr: float) -> int:
        """What a sampler's guided prediction costs at this noise level."""
        return self.evaluations

    def objection(self) -> str | None:
        """Why this guidance makes no sense as it is built, with the way out; None where it does.

        `genrl verify` names it with this reason instead of proving it.
        """
        return None

    def objection_to(self, w: float) -> str | None:
        """Why a weight makes no sense for a sampler, with what would; None where it does."""
        return None
