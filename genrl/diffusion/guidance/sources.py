"""Where a guidance gets what it cannot make by itself: other models, arrays, a classifier.

Files belong to the tasks, which open them; a notebook gives functions of its own, such as
``Sources(model=lambda path, average: weaker)``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.registry import ConfigurationError
from genrl.typing import Data

Logits = Callable[[Data, NoiseLevel], Tensor]
"""Log-probabilities of the classes, up to a constant, of noisy data: "batch classes"."""


@dataclass(frozen=True)
class ClassifierTraining:
    """How a classifier of noisy data is trained.

    Args:
        updates: optimizer steps.
        batch_size: examples in a step.
        learning_rate: its peak.
        seed: of weights, batches and noise.
    """

    updates: int
    batch_size: int
    learning_rate: float
    seed: int


def _no_model(path: str, average: str | None) -> ConditionalDenoise:
    raise ConfigurationError(f"nothing here can open the model '{path}': give Sources(model=...)")


def _no_array(path: str) -> Tensor:
    raise ConfigurationError(f"nothing here can open the array '{path}': give Sources(array=...)")


def _no_classifier(training: ClassifierTraining) -> Logits:
    raise ConfigurationError("there is no classifier of noisy data: give Sources(classifier=...)")


@dataclass(frozen=True)
class Sources:
    """Opens what a guidance asks for when it is built.

    Args:
        model: from a path and the name of a moving average, None for the model itself.
        array: from a path; images in [-1, 1].
        classifier: trained in this way on the run's data.
    """

    model: Callable[[str, str | None], ConditionalDenoise] = _no_model
    array: Callable[[str], Tensor] = _no_array
    classifier: Callable[[ClassifierTraining], Logits] = _no_classifier
