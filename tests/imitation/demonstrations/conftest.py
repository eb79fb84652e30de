"""A hand-made record: four episodes in flat arrays, every number of which says where it is from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genrl.rl.spec import EnvSpec

Array = NDArray[Any]


@dataclass
class FlatRecord:
    """A terminal after 3 steps, a timeout after 4, a terminal after 1, a record cut after 2.

    Observation t of episode e is (e, t), so that a row of another episode shows at once.
    """

    obs: Array = field(init=False)
    next_obs: Array = field(init=False)
    action: Array = field(init=False)
    reward: Array = field(init=False)
    terminated: Array = field(init=False)
    truncated: Array = field(init=False)
    lengths: tuple[int, ...] = (3, 4, 1, 2)

    def __post_init__(self) -> None:
        place = [(e, t) for e, length in enumerate(self.lengths) for t in range(length)]
        self.obs = np.array(place, dtype=np.float32)
        self.next_obs = self.obs + np.array([0, 1], dtype=np.float32)
        self.action = (self.obs[:, :1] + self.obs[:, 1:] / 10) / 10
        self.reward = 100 * self.obs[:, 0] + self.obs[:, 1]
        self.terminated = np.array([i in (2, 7) for i in range(10)])
        self.truncated = np.array([i == 6 for i in range(10)])


@pytest.fixture
def flat() -> FlatRecord:
    """The record."""
    return FlatRecord()


@pytest.fixture
def spec() -> EnvSpec:
    """Of the environment that it fits, with a time limit of 4."""
    return EnvSpec("Place-v0", 2, 1, False, (-1.0,), (1.0,), 4)
