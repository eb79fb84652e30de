"""No callback, to switch one of the defaults off: ``callback@evaluation=none``."""

from typing import Any

from genrl.callbacks.base import RunContext, StageCallback, callbacks


@callbacks.register("none")
class NoCallback(StageCallback[Any]):
    """Does nothing.

    Args:
        context: of the run.
    """

    def __init__(self, context: RunContext) -> None:
        self.context = context
