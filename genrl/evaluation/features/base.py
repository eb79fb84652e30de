"""The contract of a feature: what the Fréchet distance, precision and recall are computed on."""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from genrl.registry import Registry
from genrl.typing import Data, DataSpec, Labels

features: Registry["Feature"] = Registry("feature")


@dataclass(frozen=True)
class FeatureOutput:
    """What a feature says of a batch.

    Args:
        embedding: one vector for each example.
        logits: of the classes of the data, or None where the feature knows no classes.
    """

    embedding: Float32[Tensor, "batch dims"]
    logits: Float[Tensor, "batch classes"] | None


class Feature(abc.ABC):
    """Maps data to vectors in which distances mean something.

    ``held_out_accuracy`` is the fraction of held-out data that it classifies correctly once fitted,
    or None where it knows no classes.

    Args:
        spec: shape of an example and number of classes.
    """

    held_out_accuracy: float | None = None

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec
        self.device = torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:
        """Fit and compute on this device from now on."""
        self.device = torch.device(device)
        return self

    def fit(  # noqa: B027 (most features have nothing to fit)
        self,
        train_x: Data,
        train_label: Labels | None,
        held_out_x: Data,
        held_out_label: Labels | None,
        cache: Path | None,
    ) -> None:
        """Learn from data what must be learned; a fixed feature has nothing to do.

        Args:
            train_x: training data in [-1, 1].
            train_label: its classes, or None without labels.
            held_out_x: data to measure ``held_out_accuracy`` on.
            held_out_label: its classes.
            cache: folder that keeps what was learned, or None to learn anew each time.
        """

    @abc.abstractmethod
    def compute(self, x: Data) -> FeatureOutput:
        """The output for one batch on the feature's device, without gradients."""

    def __call__(self, x: Data, batch_size: int = 256) -> FeatureOutput:
        """Embedding and logits of any number of examples, on the device of x.

        Args:
            x: data in [-1, 1].
            batch_size: examples at a time.

        Raises:
            ValueError: if there is no example, or examples of another shape than the data's.
        """
        if tuple(x.shape[1:]) != self.spec.shape or len(x) == 0:
            raise ValueError(
                f"the feature takes examples of shape {self.spec.shape}, not a batch of shape "
                f"{tuple(x.shape)}"
            )
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            parts = [self.compute(b.to(self.device).float()) for b in torch.split(x, batch_size)]
        embedding = torch.cat([part.embedding for part in parts]).to(x.device)
        logits = [part.logits for part in parts if part.logits is not None]
        return FeatureOutput(embedding, torch.cat(logits).to(x.device) if logits else None)
