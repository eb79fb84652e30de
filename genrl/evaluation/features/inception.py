"""The feature of FID: pool3 of the Inception network of 2015, from a file of weights.

The network is torch-fidelity's, which reproduces TensorFlow's to rounding (resizing included); the
weights are read from disk and never downloaded. Numbers computed with it are comparable with
published FIDs (Heusel et al. 2017) when the numbers of samples are equal.
"""

import io
from pathlib import Path

import torch
from torch import nn

from genrl.evaluation.features.base import Feature, FeatureOutput, features
from genrl.registry import ConfigurationError
from genrl.typing import Data, DataSpec

FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
SOURCE = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE_NAME}"


@features.register("inception")
class InceptionFeature(Feature):
    """Inception-v3 pool3 (2048 numbers) of RGB images, as in published FIDs; needs torch-fidelity.

    Args:
        weights: file of the network's weights; None for torch's own cache of downloads.

    Raises:
        ValueError: for data that are not RGB images, or if weights or torch-fidelity are missing.
    """

    def __init__(self, spec: DataSpec, *, weights: str | None = None) -> None:
        super().__init__(spec)
        if len(spec.shape) != 3 or spec.shape[0] != 3:
            raise ValueError(
                f"it is for RGB images; data of shape {spec.shape} need another one: "
                "feature=classifier for labelled images, feature=identity for points"
            )
        self._network = _load(default_path() if weights is None else Path(weights).expanduser())

    def compute(self, x: Data) -> FeatureOutput:
        self._network.to(x.device)
        pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return FeatureOutput(self._network(pixels)[0], None)


def default_path() -> Path:
    """Where torch-fidelity's own download would lie."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME


def _load(path: Path) -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ConfigurationError(
            "feature 'inception' needs torch-fidelity: pip install 'genrl[inception]', or choose "
            "feature=classifier"
        ) from error
    if not path.is_file():
        raise ConfigurationError(
            f"feature 'inception' has no weights at {path}: get them from {SOURCE} and give "
            "feature.weights=FILE, or choose feature=classifier"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # The extractor reads its file with all of pickle's powers: hand it what a safe read gave.
        buffer = io.BytesIO()
        torch.save(weights, buffer)
        buffer.seek(0)
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=buffer
        )
    except Exception as error:
        raise ConfigurationError(
            f"{path} holds no Inception weights ({type(error).__name__}): get them from {SOURCE}"
        ) from error
    return network
