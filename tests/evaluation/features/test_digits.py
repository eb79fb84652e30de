import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from genrl.evaluation import accuracy, frechet_distance
from genrl.evaluation.features import Feature, features
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

SPEC = DataSpec((1, 8, 8), 10)
Split = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(scope="module")
def data() -> Split:
    """Train images, labels, held-out images, labels."""
    digits = load_digits()
    x = torch.tensor(digits.images / 8 - 1, dtype=torch.float32)[:, None]
    label = torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[360:]], label[order[360:]], x[order[:360]], label[order[:360]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fitted(data: Split, cache: Path) -> Feature:
    feature = features.build("digits", SPEC)
    before = torch.random.get_rng_state()
    started = time.process_time()
    with torch.inference_mode():  # Lightning evaluates in it
        feature.fit(*data, cache)
    assert time.process_time() - started < 30  # 4 s alone on a core; the rest is for busy machines
    assert torch.equal(torch.random.get_rng_state(), before)
    return feature


def test_classifies_held_out_digits(fitted: Feature, data: Split) -> None:
    assert fitted.held_out_accuracy is not None
    assert fitted.held_out_accuracy >= 0.98
    output = fitted(data[2])
    assert output.embedding.shape == (360, 64)
    assert output.logits is not None
    assert accuracy(output.logits, data[3]) == fitted.held_out_accuracy
    assert not output.embedding.requires_grad


def test_output_does_not_depend_on_the_batch(fitted: Feature, data: Split) -> None:
    whole, single = fitted(data[2][:5]), fitted(data[2][:5], batch_size=1)
    torch.testing.assert_close(single.embedding, whole.embedding, rtol=1e-4, atol=1e-5)


def test_distance_orders_corruptions(fitted: Feature, data: Split) -> None:
    """Held-out digits are nearest, and more noise is farther."""
    train = fitted(data[0]).embedding
    noise = torch.randn(data[2].shape, generator=torch.Generator().manual_seed(0))
    found = [
        frechet_distance(train, fitted(data[2] + level * noise).embedding)
        for level in (0, 0.1, 0.3, 1)
    ]
    assert found == sorted(found)
    assert found[-1] > 20 * found[0]


def test_cache_is_read_bit_for_bit(
    fitted: Feature, data: Split, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = cache.iterdir()
    assert file.name.startswith("digits-")
    again = features.build("digits", SPEC)
    monkeypatch.setattr(
        "genrl.evaluation.features.fitted.train_classifier", lambda *_: pytest.fail("trained again")
    )
    again.fit(*data, cache)
    assert again.held_out_accuracy == fitted.held_out_accuracy
    assert torch.equal(again(data[2]).embedding, fitted(data[2]).embedding)


def test_training_is_a_function_of_the_seed(data: Split, tmp_path: Path) -> None:
    outputs = []
    for seed, disturbance in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(disturbance)
        feature = features.build({"name": "digits", "updates": 3, "seed": seed}, SPEC)
        feature.fit(*data, None)
        outputs.append(feature(data[2][:4]).embedding)
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_other_data_or_parameters_are_another_file(data: Split, tmp_path: Path) -> None:
    for config in ({"updates": 1}, {"updates": 2}, {"updates": 1, "seed": 1}, {"updates": 1}):
        features.build({"name": "digits", **config}, SPEC).fit(*data, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    changed = data[0].clone()
    changed[0, 0, 0, 0] += 1e-3
    features.build({"name": "digits", "updates": 1}, SPEC).fit(changed, *data[1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert all(path.suffix == ".pt" for path in tmp_path.iterdir())


def test_cache_runs_no_code(data: Split, tmp_path: Path) -> None:
    feature = features.build({"name": "digits", "updates": 1}, SPEC)
    feature.fit(*data, tmp_path)
    (file,) = tmp_path.iterdir()
    torch.save({"weights": np.zeros, "held_out_accuracy": 1.0}, file)
    with pytest.raises(ConfigurationError, match="delete it"):
        features.build({"name": "digits", "updates": 1}, SPEC).fit(*data, tmp_path)


def test_needs_labels_and_fitting(data: Split) -> None:
    feature = features.build("digits", SPEC)
    with pytest.raises(RuntimeError, match="must be fitted"):
        feature(data[2])
    with pytest.raises(ConfigurationError, match="learns from labels"):
        feature.fit(data[0], None, data[2], None, None)
    with pytest.raises(ConfigurationError, match="at least 1"):
        features.build({"name": "digits", "updates": 0}, SPEC)
