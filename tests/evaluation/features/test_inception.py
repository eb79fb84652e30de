import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genrl.evaluation.features import features
from genrl.evaluation.features.inception import FILE_NAME
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SPEC = DataSpec((3, 32, 32), 10)


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to the network is closed."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights of the real architecture, made without any of its own."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
        patch.setattr(torch, "load", lambda *_, **__: {})
        network = FeatureExtractorInceptionV3(
            "x", ["2048"], feature_extractor_weights_path="unread"
        )
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):  # as drawn, the signal would vanish on the way
                torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


def test_equals_torch_fidelity_on_8_bit_images(weights: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights))
    pixels = torch.randint(
        256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    expected: Tensor = theirs(pixels)[0]
    feature = features.build({"name": "inception", "weights": str(weights)}, SPEC)
    output = feature(pixels.float() / 127.5 - 1, batch_size=2)
    assert output.embedding.shape == (3, 2048)
    torch.testing.assert_close(output.embedding, expected, rtol=1e-4, atol=1e-5)
    assert expected.std(dim=0).max() > 1e-3
    assert output.logits is None
    assert feature.held_out_accuracy is None


def test_values_beyond_the_range_are_clipped(weights: Path) -> None:
    feature = features.build({"name": "inception", "weights": str(weights)}, SPEC)
    white = feature(torch.ones(1, 3, 32, 32)).embedding
    assert torch.equal(feature(torch.full((1, 3, 32, 32), 1.7)).embedding, white)


def test_missing_file_is_named_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nowhere.pth"
    with pytest.raises(ConfigurationError) as error:
        features.build({"name": "inception", "weights": str(path)}, SPEC)
    message = str(error.value)
    assert str(path) in message
    assert "github.com/toshas/torch-fidelity" in message
    assert "feature=classifier" in message
    assert "\n" not in message
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigurationError, match="checkpoints.*" + FILE_NAME):
        features.build("inception", SPEC)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ConfigurationError, match="holds no Inception weights"):
        features.build({"name": "inception", "weights": str(path)}, SPEC)
    path.write_text("<html>404</html>")
    with pytest.raises(ConfigurationError, match="holds no Inception weights"):
        features.build({"name": "inception", "weights": str(path)}, SPEC)


def test_without_torch_fidelity(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'genrl\[inception\]'"):
        features.build({"name": "inception", "weights": str(weights)}, SPEC)
