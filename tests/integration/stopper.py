"""A run that ends in the middle of a stage, as if it were killed, within a test's process."""

import re
from pathlib import Path

from genrl.callbacks import RunContext, StageCallback, callbacks


class Stopped(Exception):
    """Nobody catches it."""


@callbacks.register("stopper")
class StopperCallback(StageCallback):
    """Ends the process's work in the middle of a stage.

    Args:
        context: of the run.
        at: update after which it ends; -1 never.
    """

    def __init__(self, context: RunContext, *, at: int = -1) -> None:
        self.at = at

    def on_update_end(self, trainer, module, stage) -> None:
        if module.updates == self.at:
            self.at = -1
            raise Stopped


def not_stopping(run: Path) -> None:
    """Let the next resume of a run go to its end."""
    file = run / "config.yaml"
    file.write_text(re.sub(r"(?m)^( +at:) \d+$", r"\1 -1", file.read_text()))
