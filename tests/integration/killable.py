"""The command ``genrl`` with one more callback: it kills the process, for real.

Run as ``python killable.py WORDS...`` with GENRL_KILL=UPDATE:MOMENT[:SIGNAL[:RANK]]. MOMENT is
``update`` (in the middle of a stage) or ``stage`` (at a stage boundary, after the evaluation and
before the switch), SIGNAL is SIGKILL and RANK the first process unless they say otherwise.
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
        self.rank = int(wanted[3]) if len(wanted) > 3 else 0

    def on_update_end(self, trainer, module, stage) -> None:
        self._kill(trainer, module.updates, "update")

    def on_stage_end(self, trainer, module, stage) -> None:
        self._kill(trainer, module.updates, "stage")

    def _kill(self, trainer, update: int, moment: str) -> None:
        wanted = (self.update, self.moment, self.rank)
        if (update, moment, trainer.global_rank) == wanted:
            os.kill(os.getpid(), self.signal)


if __name__ == "__main__":
    main()
