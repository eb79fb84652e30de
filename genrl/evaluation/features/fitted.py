"""A classifier that is trained once for given data and then read from a cache."""

import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from genrl.evaluation.accuracy import accuracy
from genrl.evaluation.features.base import FeatureOutput
from genrl.evaluation.features.training import Recipe, train_classifier
from genrl.registry import ConfigurationError
from genrl.typing import Data, Labels


class FittedClassifier:
    """A network, how it is trained, and how good it became.

    Args:
        name: of the feature; begins the name of its file in the cache.
        network: untrained.
        recipe: of its training.
    """

    def __init__(self, name: str, network: nn.Module, recipe: Recipe) -> None:
        self.name = name
        self.network = network
        self.recipe = recipe
        self.held_out_accuracy: float | None = None

    def fit(
        self,
        train_x: Data,
        train_label: Labels | None,
        held_out_x: Data,
        held_out_label: Labels | None,
        cache: Path | None,
        device: torch.device,
    ) -> float:
        """Train, or read what the same training left in the cache.

        Returns:
            The accuracy on the held-out data.

        Raises:
            ConfigurationError: if there are no labels, or the cached file cannot be read.
        """
        if train_label is None or held_out_label is None:
            raise ConfigurationError(
                f"feature '{self.name}' learns from labels and the data have none: choose "
                "feature=inception (RGB images) or feature=identity (points)"
            )
        data = (train_x, train_label, held_out_x, held_out_label)
        file = None if cache is None else cache / f"{self.name}-{self._fingerprint(data)}.pt"
        if file is not None and file.exists():
            self.held_out_accuracy = self._read(file)
            self.network.to(device).eval()
        else:
            x, label = train_x.to(device), train_label.to(device)
            train_classifier(self.network, x, label, self.recipe)
            self.held_out_accuracy = accuracy(self._logits(held_out_x, device), held_out_label)
            if file is not None:
                self._write(file)
        return self.held_out_accuracy

    def output(self, x: Data) -> FeatureOutput:
        """Last hidden layer and logits.

        Raises:
            RuntimeError: before `fit`.
        """
        if self.held_out_accuracy is None:
            raise RuntimeError(f"feature '{self.name}' must be fitted before it is computed")
        return FeatureOutput(*self.network(x))

    @torch.no_grad()
    def _logits(self, x: Data, device: torch.device) -> Tensor:
        with torch.autocast(device.type, enabled=False):
            return torch.cat(
                [self.network(b.to(device).float())[1].cpu() for b in torch.split(x, 256)]
            )

    def _fingerprint(self, data: tuple[Tensor, ...]) -> str:
        """Of everything that the weights and their accuracy depend on, but the device."""
        digest = hashlib.sha256(f"{self.network}|{self.recipe}".encode())
        for tensor in data:
            array = tensor.detach().cpu().contiguous().numpy()
            digest.update(f"|{array.dtype}{array.shape}|".encode())
            digest.update(array.data)
        return digest.hexdigest()[:16]

    def _read(self, file: Path) -> float:
        try:
            stored = torch.load(file, map_location="cpu", weights_only=True)
            self.network.load_state_dict(stored["weights"])
            return float(stored["held_out_accuracy"])
        except Exception as error:
            raise ConfigurationError(
                f"the cached classifier {file} cannot be read ({type(error).__name__}); delete it "
                "and it will be trained again"
            ) from error

    def _write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        weights = {key: value.cpu() for key, value in self.network.state_dict().items()}
        torch.save({"weights": weights, "held_out_accuracy": self.held_out_accuracy}, temporary)
        os.replace(temporary, file)
