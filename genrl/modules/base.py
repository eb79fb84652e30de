"""What every LightningModule of genrl has: stages, a count of updates, metrics of the last one."""

import abc
from collections.abc import Sequence
from typing import Any

from lightning import LightningModule
from torch import Tensor, nn

from genrl.diffusion import Position, Stage, position
from genrl.registry import ConfigurationError


class DivergenceError(RuntimeError):
    """The loss or the gradient became NaN or infinite."""


class StagedModule(LightningModule, abc.ABC):
    """A module that is trained through a list of stages, counted in updates.

    Args:
        stages: of the run, at least one.
    """

    unit: str = "updates"

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stages = list(stages)
        self.updates = 0
        self.metrics: dict[str, Tensor] = {}

    @property
    def total_updates(self) -> int:
        """Length of the run."""
        return sum(stage.updates for stage in self.stages)

    @property
    def is_over(self) -> bool:
        """Whether the last update is done."""
        return self.updates >= self.total_updates

    @property
    def position(self) -> Position:
        """Index of the stage of the next update, and the updates done in it."""
        return position(self.stages, self.updates)

    @property
    def stage(self) -> Stage:
        """The stage of the next update."""
        return self.stages[self.position.index]

    @property
    @abc.abstractmethod
    def model(self) -> nn.Module:
        """What a finished stage leaves behind."""

    @abc.abstractmethod
    def about(self) -> dict[str, Any]:
        """Plain values without which `model` cannot be built again from the run's config."""

    @abc.abstractmethod
    def health(self) -> Tensor:
        """A number that is NaN or infinite where training has diverged."""

    @abc.abstractmethod
    def units_done(self) -> int:
        """How many of ``unit`` are done: images, environment steps."""

    @abc.abstractmethod
    def headline(self) -> str:
        """The number that a person wants to watch, with its name."""

    def start_next_stage(self) -> None:
        """What changes between two stages."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The number of updates and the name of their stage."""
        checkpoint["genrl"] = {"updates": self.updates, "stage": self.stage.name}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the number of updates.

        Raises:
            ConfigurationError: if it lies in another stage than when the checkpoint was written.
        """
        stored = checkpoint["genrl"]
        self.updates = int(stored["updates"])
        if self.stage.name != stored["stage"]:
            raise ConfigurationError(
                f"the checkpoint was written in the stage '{stored['stage']}', but update "
                f"{self.updates} of this config lies in '{self.stage.name}': "
                "resume with the config that the run was started with"
            )
