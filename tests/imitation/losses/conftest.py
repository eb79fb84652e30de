"""A small expert, and builders of reward models, for tests."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from genrl.imitation.demonstrations import Demonstrations
from genrl.imitation.losses import ImitationParts, RewardModel, imitation_losses
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions, simple_transitions
from genrl.testing.demonstrations import small_demonstrations

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]


@pytest.fixture
def spec() -> EnvSpec:
    return EnvSpec("small", 3, 2, False, (-1.0, -1.0), (1.0, 1.0), 50)


@pytest.fixture
def demonstrations() -> Demonstrations:
    return small_demonstrations()


@pytest.fixture
def build(spec: EnvSpec, demonstrations: Demonstrations) -> Build:
    """Reward model by name and parameters, from the same random weights each time."""

    def build_one(name: str, **parameters: Any) -> RewardModel:
        torch.manual_seed(3)
        model = imitation_losses.build(
            {"name": name, **parameters}, ImitationParts(spec, demonstrations)
        )
        assert isinstance(model, RewardModel)
        return model

    return build_one


@pytest.fixture
def draw() -> Draw:
    """Random transitions of a learner, (count,) or (time, env)."""

    def draw_some(*shape: int, seed: int = 0, shift: float = 0.0) -> Transitions:
        generator = torch.Generator().manual_seed(seed)

        def normal(*size: int) -> torch.Tensor:
            return torch.randn(*shape, *size, generator=generator) + shift

        return simple_transitions(
            normal(3),
            normal(2),
            normal(3),
            reward=normal(),
            terminated=torch.rand(*shape, generator=generator) < 0.1,
        )

    return draw_some
