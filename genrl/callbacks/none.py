"""No callback, to switch one of the defaults off: ``callback@evaluation=none``."""

from genrl.callbacks.base import RunContext, StageCallback, callbacks
from genrl.modules import StagedModule


@callbacks.register("none")
class NoCallback(StageCallback[StagedModule]):
    """Does nothing.

    Args:
        context: of the run.
    """

    def __init__(self, context: RunContext) -> None:
        self.context = context
