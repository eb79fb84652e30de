"""A run so small that every number in it can be computed by hand."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch import Tensor

from genrl.callbacks import StageCallback
from genrl.callbacks.stages import StagesCallback
from genrl.data import TensorSet, TrainLoader
from genrl.diffusion import CosineSchedule, Denoiser, Loss, Objective, Stage, VParameterization
from genrl.modules import DiffusionModule
from genrl.networks import MLP
from genrl.typing import DataSpec


class Scripted(Objective):
    """The loss is a given number for each update; its gradient is one for every weight."""

    def __init__(self, values: Sequence[float], metric: str | None, needs_teacher: bool) -> None:
        self.values = iter(values)
        self.metric = metric
        self.needs_teacher = needs_teacher

    @property
    def trainable(self) -> None:
        """Nothing is learned beside the student."""

    def __call__(
        self, student: Any, teacher: Any, x: Tensor, label: Tensor | None, generator: Any
    ) -> Loss:
        assert (teacher is not None) == self.needs_teacher
        total = sum((p.sum() for p in student.parameters()), torch.zeros(()))
        value = next(self.values)
        metrics = {} if self.metric is None else {self.metric: torch.tensor(10 * value)}
        return Loss(total - total.detach() + value, metrics)


class Run:
    """Stages, the module and what `fit` needs.

    Args:
        stages: of the run.
        values: losses of each stage.
        metrics: name of a further metric in each stage, or None.
        optimizer: makes the optimizer.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        values: Sequence[Sequence[float]],
        metrics: Sequence[str | None] | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    ) -> None:
        torch.manual_seed(0)
        names = [None] * len(stages) if metrics is None else metrics
        network = MLP(DataSpec((2,)), features=8, num_layers=1)
        self.module = DiffusionModule(
            Denoiser(network, CosineSchedule(), VParameterization()),
            stages,
            [
                Scripted(own, name, needs_teacher=index > 0)
                for index, (own, name) in enumerate(zip(values, names, strict=True))
            ],
            lambda parameters: optimizer(parameters, lr=1.0),
            seed=0,
        )

    def fit(self, *followers: StageCallback, last: str = "last.ckpt") -> Trainer:
        """Train to the end."""
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_steps=self.module.total_updates,
            max_epochs=-1,
            logger=False,
            callbacks=[StagesCallback(list(followers), last)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        data = TensorSet(torch.zeros(4, 2))
        loader = TrainLoader(data, batch_size=2, num_batches=self.module.total_updates, seed=0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            trainer.fit(self.module, loader)
        return trainer


def stage(name: str, updates: int, learning_rate: float = 0.1, *, use_ema: bool = False) -> Stage:
    """A stage whose objective is scripted."""
    return Stage(name, {"name": "scripted"}, updates, learning_rate, use_ema=use_ema)


@pytest.fixture
def make_run() -> type[Run]:
    return Run


@pytest.fixture
def make_stage() -> Callable[..., Stage]:
    return stage
