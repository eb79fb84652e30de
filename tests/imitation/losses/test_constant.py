"""The control pays the same everywhere, and its diagnostics say so."""

from collections.abc import Callable

import torch

from genrl.imitation.losses import ImitationParts, RewardModel
from genrl.imitation.losses.constant import Constant
from genrl.rl.rollout import Rollout
from genrl.rl.spec import EnvSpec
from genrl.rl.transitions import Transitions

Build = Callable[..., RewardModel]
Draw = Callable[..., Transitions]


def test_it_needs_no_demonstrations_and_pays_every_step(spec: EnvSpec, draw: Draw) -> None:
    model = Constant(ImitationParts(spec))
    assert not model.needs_demonstrations
    assert torch.equal(model.reward(draw(3, 4)), torch.ones(3, 4))
    assert model.update(draw(5), torch.Generator()) == {}


def test_its_diagnostics_are_the_lengths_of_the_episodes(build: Build, draw: Draw) -> None:
    steps = draw(30, 1)
    fields = {
        **vars(steps),
        "start": torch.zeros(30, 1).bool(),
        "terminated": torch.zeros(30, 1).bool(),
    }
    for first, last in ((0, 9), (10, 14), (15, 28)):
        fields["start"][first] = fields["terminated"][last] = True
    rollout = Rollout(Transitions(**fields), torch.ones(30, 1, dtype=torch.bool), [])
    model = build("constant")
    metrics = model.diagnose(rollout, model.reward(rollout.steps))
    assert metrics["learned_return"] == metrics["control_return"] == 29 / 3
    assert metrics["length_correlation"] == 1.0
    assert metrics["uninformative_reward"] == 1.0
    assert "reward_correlation" not in metrics
