"""Composing, and constructing foreign classes."""

from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from genrl.config import compose, instantiate, plain
from genrl.options import config_names
from genrl.registry import ConfigurationError


def test_compose_gives_plain_values() -> None:
    config = compose(["+experiment=cfg_distill", "sampler=heun", "sampler.steps=4"])
    assert config["sampler"]["name"] == "heun"
    assert config["sampler"]["steps"] == 4
    assert config["distill"]["name"] == "progressive"
    assert type(config) is dict
    assert type(config["sampler"]) is dict
    assert type(config["network"]["channel_multipliers"]) is list


def test_two_of_a_kind_have_their_own_values() -> None:
    config = compose(["student_sampler.steps=5", "sampler@student_sampler=euler"])
    assert config["student_sampler"]["name"] == "euler"
    assert config["student_sampler"]["steps"] == 5
    assert config["sampler"] == {"name": "ddim", "eta": 0.0, "steps": 64}


@pytest.mark.parametrize("experiment", config_names()["experiment"])
def test_every_experiment_composes(experiment: str) -> None:
    """A folder of images is the user's own: where it must be given, the message says so."""
    overrides = [f"+experiment={experiment}"]
    if compose_error(overrides) == "'data.root' has no value: give data.root=...":
        overrides.append("data.root=somewhere")
    assert compose(overrides)["name"] == experiment


def compose_error(overrides: list[str]) -> str | None:
    try:
        compose(overrides)
    except ConfigurationError as error:
        return str(error)
    return None


def test_missing_values_are_named() -> None:
    config = OmegaConf.create({"a": {"b": "???"}, "c": 1})
    with pytest.raises(ConfigurationError, match=r"'a\.b' has no value: give a\.b=\.\.\."):
        plain(config)


def test_interpolations_are_resolved() -> None:
    assert plain(OmegaConf.create({"a": 1, "b": "${a}"})) == {"a": 1, "b": 1}


def test_instantiate() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    config = {"_target_": "torch.optim.SGD", "momentum": 0.5}
    optimizer = instantiate(config, torch.optim.Optimizer, [parameter], lr=0.1)
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "_target_ '' is not allowed"),
        ({"_target_": "os.system"}, "_target_ 'os.system' is not allowed; it must begin with one"),
        ({"_target_": "torch.load"}, "is not allowed"),
        ({"_target_": "torch.optimizer.Adam"}, "is not allowed"),
        ({"_target_": "torch.optim.swa_utils.get_ema_avg_fn"}, "is no Optimizer"),
        ({"_target_": "torch.optim.lr_scheduler.StepLR"}, "is no Optimizer"),
        ({"_target_": "lightning.Trainer"}, "'lightning.Trainer' is no Optimizer"),
        ({"_target_": "torch.optim.SGD", "lr": {"_target_": "os.system"}}, "'lr' must be a value"),
        ({"_target_": "torch.optim.SGD", "_partial_": True}, "torch.optim.SGD: .*_partial_"),
        ({"_target_": "torch.optim.Adm"}, "_target_ 'torch.optim.Adm' does not exist"),
        ({"_target_": "lightning.nothing.X"}, "does not exist"),
        ({"_target_": "torch.optim.SGD", "momentun": 1}, "torch.optim.SGD: .*momentun"),
        ({"_target_": "torch.optim.SGD", "lr": -1.0}, "torch.optim.SGD: Invalid learning rate"),
    ],
)
def test_instantiate_refuses(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        instantiate(config, torch.optim.Optimizer, [torch.nn.Parameter(torch.ones(2))])
