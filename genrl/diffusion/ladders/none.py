"""No ladder: the run ends with its teacher."""

from genrl.diffusion.ladders.base import Ladder, Stage, ladders


@ladders.register("none")
class NoLadder(Ladder):
    """Distils nothing: the run trains one model."""

    def stages(self) -> list[Stage]:
        """None."""
        return []
