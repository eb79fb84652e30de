"""The command ``genrl`` with one more callback: it kills the process, for real.

Run as ``python killable.py WORDS...`` with GENRL_KILL=UPDATE:MOMENT[:SIGNAL], where MOMENT is
``update`` (in the middle of a stage) or ``stage`` (at a stage boundary, after the evaluation and
before the switch), and SIGNAL is SIGKILL unless it says otherwise.
"""

import os
import signal

from genrl.callbacks import RunContext, StageCallback, callbacks
from genrl.cli import main


@callbacks.register("killer")
class KillerCallback(StageCallback):
    """Sends a signal to its own process."""

    def __init__(self, context: RunContext) -> None:
        wanted = os.environ.get("GENRL_KILL", "-1:never").split(":")
        self.update, self.moment = int(wanted[0]), wanted[1]
        self.signal = signal.Signals[wanted[2] if len(wanted) > 2 else "SIGKILL"]

    def on_update_end(self, trainer, module, stage) -> None:
        self._kill(module.updates, "update")

    def on_stage_end(self, trainer, module, stage) -> None:
        self._kill(module.updates, "stage")

    def _kill(self, update: int, moment: str) -> None:
        if (update, moment) == (self.update, self.moment):
            os.kill(os.getpid(), self.signal)


if __name__ == "__main__":
    main()
