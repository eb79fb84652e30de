"""The check of imitation losses accepts genrl's own and names what is wrong with others."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.imitation.losses import GAIL, ImitationParts, SupervisedLoss, imitation_losses
from genrl.imitation.losses.base import RewardModel
from genrl.rl.rewards import Metrics
from genrl.rl.transitions import Transitions
from genrl.testing import CheckError, check_imitation_loss

SMALL: dict[str, dict[str, Any]] = {
    "gail": {"hidden": [8]},
    "airl": {"hidden": [8]},
    "dac": {"hidden": [8], "batch_size": 16},
}


@pytest.mark.parametrize("name", ["airl", "bc", "constant", "dac", "fem", "gail", "sqil"])
def test_genrls_own_pass(name: str) -> None:
    config = {"name": name, **SMALL.get(name, {})}
    assert check_imitation_loss(lambda parts: imitation_losses.build(config, parts))


class _Paid(RewardModel):
    """1 for every step."""

    needs_demonstrations = False
    sign = "positive"

    def __init__(self, parts: ImitationParts) -> None:
        super().__init__(parts)
        self.value = 1.0

    def reward(self, steps: Transitions) -> Tensor:
        return torch.full_like(steps.reward, self.value)

    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        return {}


class _Negative(_Paid):
    def reward(self, steps: Transitions) -> Tensor:
        return -super().reward(steps)


class _Graph(_Paid):
    def reward(self, steps: Transitions) -> Tensor:
        return super().reward(steps).requires_grad_()


class _Unseeded(_Paid):
    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        self.value = float(torch.rand(()))
        return {}


class _Forgetful(_Paid):
    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        self.value += 1.0
        return {}


class _Broken(_Paid):
    def update(self, fresh: Transitions, generator: torch.Generator) -> Metrics:
        return {"loss": float("nan")}


class _Detached(SupervisedLoss):
    def loss(self, policy, obs, action, valid, generator):
        return obs.square().mean().requires_grad_()


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (_Negative, "its sign is 'positive', but a reward is not"),
        (_Graph, "with gradient"),
        (_Unseeded, "the same seeds give other rewards"),
        (_Forgetful, "goes on with other rewards"),
        (_Broken, "the metric 'loss' is nan"),
        (_Detached, "no gradient reaches the policy"),
    ],
)
def test_what_is_wrong_is_named(build: Any, complaint: str) -> None:
    with pytest.raises(CheckError, match=complaint):
        check_imitation_loss(build)


def test_a_reward_that_learned_nothing_is_told_by_its_figures() -> None:
    figures = check_imitation_loss(lambda parts: GAIL(parts, hidden=(8,), learning_rate=0.02))
    assert figures["expert_reward"] > figures["learner_reward"] > 0


def test_what_is_built_must_be_a_loss() -> None:
    with pytest.raises(CheckError, match="ImitationParts is neither a RewardModel nor"):
        check_imitation_loss(lambda parts: ImitationParts(parts.spec))  # type: ignore[arg-type, return-value]
