"""What every feature promises, whatever it computes."""

import pytest
import torch

from genrl.evaluation.features import FeatureOutput, features
from genrl.evaluation.features.base import Feature
from genrl.registry import ConfigurationError
from genrl.typing import Data, DataSpec


class Doubling(Feature):
    """Remembers the batches that it was given."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.sizes: list[int] = []

    def compute(self, x: Data) -> FeatureOutput:
        assert torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        self.sizes.append(len(x))
        return FeatureOutput(2 * x, 3 * x)


def test_registered() -> None:
    assert features.names() == ["classifier", "digits", "identity", "inception"]


def test_batches_are_joined_in_order() -> None:
    feature = Doubling(DataSpec((3,)))
    x = torch.arange(21, dtype=torch.float64).reshape(7, 3)
    with torch.autocast("cpu"):
        output = feature(x, batch_size=3)
    assert feature.sizes == [3, 3, 1]
    assert output.embedding.dtype == torch.float32
    assert torch.equal(output.embedding, 2 * x.float())
    assert output.logits is not None
    assert torch.equal(output.logits, 3 * x.float())


def test_identity_flattens() -> None:
    feature = features.build("identity", DataSpec((2, 3)))
    x = torch.randn(5, 2, 3)
    feature.fit(x, None, x, None, None)
    output = feature(x)
    assert torch.equal(output.embedding, x.reshape(5, 6))
    assert output.logits is None
    assert feature.held_out_accuracy is None


@pytest.mark.parametrize("shape", [(5, 3), (0, 2), (2,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes examples of shape \(2,\), not"):
        features.build("identity", DataSpec((2,)))(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "spec", "advice"),
    [
        ("digits", DataSpec((3, 32, 32), 10), "feature=classifier"),
        ("digits", DataSpec((1, 8, 8), 0), "feature=identity"),
        ("classifier", DataSpec((3, 32, 32), 0), "feature=inception"),
        ("classifier", DataSpec((2,), 8), "feature=identity"),
        ("inception", DataSpec((1, 8, 8), 10), "feature=classifier"),
    ],
)
def test_a_feature_that_does_not_fit_names_one_that_does(
    name: str, spec: DataSpec, advice: str
) -> None:
    with pytest.raises(ConfigurationError, match=advice) as error:
        features.build(name, spec)
    assert "\n" not in str(error.value)
