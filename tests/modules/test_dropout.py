"""Dropout is for a teacher's own training; a student that copies a teacher has none."""

import pytest
import torch
from torch import Tensor, nn

from genrl.config import compose
from genrl.data import ExampleBatch
from genrl.modules import DiffusionModule
from genrl.tasks.build import build_module, build_stages
from genrl.typing import DataSpec


class _Trainer:
    """The little of Lightning's trainer that an update asks for."""

    def __init__(self, module: DiffusionModule) -> None:
        self.optimizers = [torch.optim.SGD(module.denoiser.parameters(), lr=0.1)]
        self.global_rank = 0
        self.barebones = False


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> DiffusionModule:
    config = compose(
        [
            "data=gaussian_mixture",
            "network=mlp",
            "network.dropout=0.5",
            "distill=progressive",
            "training.updates=10",
            "distill.guided_updates=10",
            "distill.updates=10",
        ]
    )
    built = build_module(config, DataSpec((2,), 4), build_stages(config, has_teacher=False))
    monkeypatch.setattr(DiffusionModule, "trainer", _Trainer(built))
    # A fresh network's output is zero whatever is dropped inside.
    for network in (built.denoiser.network, built.teacher.network):  # type: ignore[union-attr]
        nn.init.normal_(network.output.weight, generator=torch.Generator().manual_seed(0))
    return built


def losses(module: DiffusionModule, updates: int) -> tuple[Tensor, Tensor]:
    """The loss of one update, twice; only the generator that dropout draws from differs."""
    module.updates = updates
    generator = torch.Generator().manual_seed(1)
    batch = ExampleBatch(torch.randn(64, 2, generator=generator), torch.arange(64) % 4)
    found = []
    for seed in (10, 11):
        module.on_train_batch_start(batch, 0)
        torch.manual_seed(seed)
        found.append(module.training_step(batch, 0).detach())
    return found[0], found[1]


def test_the_teacher_trains_with_dropout(module: DiffusionModule) -> None:
    first, second = losses(module, updates=0)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("updates", [10, 20, 25])
def test_students_train_without(module: DiffusionModule, updates: int) -> None:
    first, second = losses(module, updates)
    assert torch.equal(first, second)
    assert module.denoiser.network.training


def test_a_later_teacher_stage_has_it_again(module: DiffusionModule) -> None:
    losses(module, updates=20)
    first, second = losses(module, updates=5)
    assert not torch.equal(first, second)
