"""Environments that policies are made for."""

import pytest

from genrl.rl.spec import EnvSpec

SPECS = {
    "bounded": EnvSpec("Bounded-v0", 3, 2, False, (-2.0, -1.0), (3.0, 0.5)),
    "unbounded": EnvSpec("Unbounded-v0", 3, 2, False, (-2.0, -float("inf")), (3.0, float("inf"))),
    "discrete": EnvSpec("Discrete-v0", 3, 4, True),
}


@pytest.fixture
def specs() -> dict[str, EnvSpec]:
    """By the kind of their actions."""
    return SPECS


@pytest.fixture
def bounded() -> EnvSpec:
    """Two numbers within [-2, 3] and [-1, 0.5], three observed."""
    return SPECS["bounded"]
