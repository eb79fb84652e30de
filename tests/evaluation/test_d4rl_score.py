"""The score is 0 and 100 at the references, in percent, for gymnasium's and D4RL's ids."""

import numpy as np
import pytest

from genrl.evaluation.d4rl_score import REFERENCES, d4rl_score
from genrl.registry import ConfigurationError


@pytest.mark.parametrize("name", REFERENCES)
def test_the_references_are_0_and_100(name: str) -> None:
    low, high = REFERENCES[name]
    np.testing.assert_allclose(
        d4rl_score(f"{name}-v2", [low, (low + high) / 2, high]), [0, 50, 100]
    )


def test_published_numbers() -> None:
    """A return of 1000 on Hopper, by hand: (1000 + 20.272305) / 3254.572305."""
    assert d4rl_score("Hopper-v5", 1000.0) == pytest.approx(31.34889040358868, abs=1e-12)
    assert d4rl_score("hopper-medium-expert-v2", 1000.0) == d4rl_score("Hopper-v5", 1000.0)
    assert d4rl_score("HalfCheetah-v5", 12135.0) == pytest.approx(100)
    assert d4rl_score("maze2d-medium-dense-v1", 13.13) == pytest.approx(0)
    assert d4rl_score("mujoco/Walker2d-v5", 1.629008) == pytest.approx(0)
    assert d4rl_score("antmaze-large-play-v0", 1.0) == 100


def test_an_environment_without_references() -> None:
    with pytest.raises(ConfigurationError, match="no reference returns for Pendulum-v1"):
        d4rl_score("Pendulum-v1", 0.0)
    with pytest.raises(ConfigurationError, match="Did you mean 'hopper'"):
        d4rl_score("hoper-v5", 0.0)
