"""The command ``genrl`` with one more callback: it kills the process, for real.

Run as ``python killable.py WORDS...`` with GENRL_KILL=UPDATE:MOMENT, where MOMENT is ``update`` (in
the middle of a stage) or ``stage`` (at a stage boundary, after the evaluation and before the
switch).
"""

import os
import signal

from genrl.callbacks import RunContext, StageCallback, callbacks
from genrl.cli import main


@callbacks.register("killer")
class KillerCallback(StageCallback):
    """Sends SIGKILL to its own process."""

    def __init__(self, context: RunContext) -> None:
        update, _, self.moment = os.environ.get("GENRL_KILL", "-1:never").partition(":")
        self.update = int(update)

    def on_update_end(self, trainer, module, stage) -> None:
        self._kill(module.updates, "update")

    def on_stage_end(self, trainer, module, stage) -> None:
        self._kill(module.updates, "stage")

    def _kill(self, update: int, moment: str) -> None:
        if (update, moment) == (self.update, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
