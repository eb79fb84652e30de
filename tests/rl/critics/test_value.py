"""The value critic's shapes and initial scale."""

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.critics import ValueCritic, critics
from genrl.rl.spec import EnvSpec

SPEC = EnvSpec("test", 4, 2)


def test_one_value_for_each_feature_vector_of_any_leading_shape() -> None:
    critic = critics.build("value", SPEC, 5)
    assert isinstance(critic, ValueCritic)
    features = torch.randn(7, 3, 5)
    values = critic(features)
    assert values.shape == (7, 3)
    torch.testing.assert_close(critic(features[2, 1]), values[2, 1])


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="layer sizes"):
        critics.build({"name": "value", "features": [16, 0]}, SPEC, 5)
