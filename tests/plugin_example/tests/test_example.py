"""Each component by the checks of `genrl.testing`, and what is its own."""

import json
from pathlib import Path

import pytest
import torch
from genrl_example import DilatedNetwork, HuberLoss, LowestLossCallback, MidpointSampler

from genrl.callbacks import RunContext
from genrl.config import compose
from genrl.diffusion import CosineSchedule, LogSnrTimeGrid
from genrl.imitation.losses import ImitationParts
from genrl.rl.policies import GaussianPolicy
from genrl.rl.spec import EnvSpec
from genrl.run_folder import RunFolder
from genrl.testing import check_imitation_loss, check_network, check_sampler
from genrl.testing.callbacks import check_callback
from genrl.typing import DataSpec


def test_the_sampler_is_of_second_order() -> None:
    schedule = CosineSchedule()
    figures = check_sampler(MidpointSampler(schedule, LogSnrTimeGrid(schedule)))
    assert figures["order"] > 1.7


def test_the_network_keeps_the_promises_of_every_network() -> None:
    spec = DataSpec((1, 8, 8), 10)
    check_network(lambda data, n: DilatedNetwork(data, n, channels=8, num_blocks=2), spec)
    with pytest.raises(ValueError, match="are no images"):
        DilatedNetwork(DataSpec((2,)))


def test_the_loss_is_hubers() -> None:
    check_imitation_loss(HuberLoss)
    spec = EnvSpec("a test", 1, 1, False, (-1.0,), (1.0,), 9)
    policy = GaussianPolicy(spec, features=(4,))
    obs = torch.zeros(2, 1, 1)
    mode = policy(obs[:, 0]).mode.detach()
    action = (mode + torch.tensor([[0.05], [3.0]]))[:, None]
    loss = HuberLoss(ImitationParts(spec), delta=0.1).loss(
        policy, obs, action, torch.ones(2, 1).bool(), torch.Generator()
    )
    assert loss.item() == pytest.approx((0.05**2 / 2 + 0.1 * (3 - 0.05)) / 2)


def test_the_callback_survives_a_kill(tmp_path: Path) -> None:
    check_callback(LowestLossCallback)
    callback = LowestLossCallback(RunContext(RunFolder(tmp_path), {}))
    callback.load_state_dict({"teacher": {"loss": 0.5, "update": 7}})
    assert json.loads(json.dumps(callback.state_dict())) == {"teacher": {"loss": 0.5, "update": 7}}


def test_the_experiment_uses_them() -> None:
    config = compose(["+experiment=example"])
    assert config["network"]["name"] == "dilated"
    assert config["sampler"] == {"name": "midpoint", "steps": 64}
    assert config["callbacks"]["lowest_loss"]["name"] == "lowest_loss"
