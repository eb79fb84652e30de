"""The environment's own reward is left alone."""

import torch

from genrl.rl.rewards import EnvironmentReward
from genrl.rl.transitions import simple_transitions


def test_it_is_what_was_stored() -> None:
    source, draw = EnvironmentReward(), torch.Generator()
    obs = torch.zeros(3, 2)
    steps = simple_transitions(obs, obs, obs, reward=torch.tensor([1.0, 2.0, 3.0]))
    assert source.reward(steps) is steps.reward
    assert source.mix(steps, draw) is steps
    assert source.update(steps, draw) == {}
    assert source.state_dict() == {}
