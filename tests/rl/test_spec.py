"""What is known of an environment, and how actions reach it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

OBS = spaces.Box(-1, 1, (3,), np.float32)


def test_of_continuous_actions() -> None:
    box = spaces.Box(np.array([-2.0, -np.inf]), np.array([3.0, np.inf]), dtype=np.float64)
    spec = EnvSpec.of("box", OBS, box, 100)
    assert spec == EnvSpec("box", 3, 2, False, (-2.0, -np.inf), (3.0, np.inf), 100)
    assert not spec.is_bounded
    assert spec.action_shape == (2,)
    action = torch.tensor([[-5.0, 99.0], [1.0, -99.0]])
    assert spec.clip(action).tolist() == [[-2.0, 99.0], [1.0, -99.0]]
    np.testing.assert_array_equal(spec.executable(action), spec.clip(action))
    assert spec.encode_action(action) is action


def test_of_discrete_actions() -> None:
    spec = EnvSpec.of("pole", OBS, spaces.Discrete(3))
    assert spec == EnvSpec("pole", 3, 3, True)
    assert not spec.is_bounded
    assert spec.action_shape == ()
    action = torch.tensor([2, 0])
    assert spec.clip(action) is action
    assert spec.executable(action).tolist() == [2, 0]
    assert spec.encode_action(action).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("obs", "action", "says"),
    [
        (spaces.Discrete(4), spaces.Discrete(2), r"flatten them first \(env.flatten=true\)"),
        (spaces.Box(0, 1, (2, 2)), spaces.Discrete(2), "observations of it are Box"),
        (OBS, spaces.Discrete(2, start=1), "only vectors of numbers and integers from 0"),
        (OBS, spaces.MultiDiscrete([2, 2]), "actions of it are MultiDiscrete"),
    ],
)
def test_refuses_other_spaces(
    obs: "spaces.Space[object]", action: "spaces.Space[object]", says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        EnvSpec.of("it", obs, action)
