"""What a person sees while a run works: stage, loss, speed and time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.diffusion import Stage

if TYPE_CHECKING:
    from lightning import Trainer

    from genrl.modules import StagedModule


class _Mark(NamedTuple):
    """Where the measured stretch began."""

    time: float
    updates: int
    units: int


@callbacks.register("progress")
class ProgressCallback(StageCallback["StagedModule"]):
    """A bar for each stage on a terminal, a line now and then elsewhere.

    Args:
        context: of the run.
        line_every: seconds between two lines without a terminal.
        refresh_every: updates between two refreshes of the loss on a terminal.
    """

    def __init__(
        self, context: RunContext, *, line_every: float = 20.0, refresh_every: int = 10
    ) -> None:
        self.line_every, self.refresh_every = line_every, refresh_every
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self._last = 0.0
        self._mark = _Mark(0.0, 0, 0)

    def on_stage_start(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """A new bar."""
        if not trainer.is_global_zero:
            return
        self._mark = _Mark(time.monotonic(), module.updates, module.units_done())
        self._last = time.monotonic()
        self.say(f"stage {stage.name}: {stage.updates} updates")
        if self.console.is_terminal:
            if self.progress is None:
                self.progress = Progress(
                    TextColumn("{task.description:>8}"),
                    BarColumn(),
                    TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                    TextColumn("{task.fields[headline]}"),
                    TextColumn("{task.fields[speed]} " + f"{module.unit}/s"),
                    TimeElapsedColumn(),
                    TimeRemainingColumn(),
                    console=self.console,
                )
                self.progress.start()
            self.task = self.progress.add_task(
                stage.name,
                total=stage.updates,
                completed=module.position.step,
                headline="",
                speed="-",
            )

    def on_update_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Move the bar, or print a line when it is time."""
        if not trainer.is_global_zero:
            return
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task)
            if module.updates % self.refresh_every == 0:
                self.progress.update(
                    self.task, headline=module.headline(), speed=f"{self._speed(module):.0f}"
                )
        elif time.monotonic() - self._last > self.line_every:
            self._last = time.monotonic()
            done, started = module.updates, self._mark.updates
            left = (time.monotonic() - self._mark.time) / max(done - started, 1)
            left *= module.total_updates - done
            self.say(
                f"stage {stage.name}  update {done}/{module.total_updates}  "
                f"{module.headline()}  "
                f"{self._speed(module):.0f} {module.unit}/s  {left / 60:.1f} min of training left"
            )

    def on_stage_end(self, trainer: Trainer, module: StagedModule, stage: Stage) -> None:
        """Leave the finished bar on the screen."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, headline=module.headline())

    def say(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(text, markup=False)

    def stop(self) -> None:
        """Give the terminal back."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def _speed(self, module: StagedModule) -> float:
        return (module.units_done() - self._mark.units) / max(
            time.monotonic() - self._mark.time, 1e-9
        )
