"""From the guided student to few steps in one or two stages, whatever the ratio.

Berthelot et al. 2023 go 1024 → 32 → 1; the moving average of a stage's student is the next teacher.
"""

from itertools import pairwise

from genrl.diffusion.ladders.base import Ladder, Stage, guided_stage, ladders


@ladders.register("tract")
class TractLadder(Ladder):
    """Guided distillation, then a stage for each number of sampling steps.

    Args:
        start: steps of the guided student, the first teacher.
        steps: of the students in turn; each divides the number before it.
        average_decay: of the average of the student that jumps to the end of a group.
        w_min: lowest guidance weight, >= -1.
        w_max: highest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether there is a guided stage and students take w; without it, data need no
            labels.
        guided_updates: length of the guided stage.
        guided_learning_rate: at its start.
        updates: length of each further stage.
        learning_rate: at the start of each further stage.
        use_ema: whether a student takes its moving average at the end.

    Raises:
        ValueError: if ``steps`` is empty or does not fall by whole factors from ``start``.
    """

    def __init__(
        self,
        *,
        start: int = 64,
        steps: tuple[int, ...] = (8, 1),
        average_decay: float = 0.5,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
        guided_updates: int = 1000,
        guided_learning_rate: float = 5e-4,
        updates: int = 1000,
        learning_rate: float = 5e-4,
        use_ema: bool = True,
    ) -> None:
        self.counts = [start, *steps]
        if not steps or any(b < 1 or a % b or a == b for a, b in pairwise(self.counts)):
            raise ValueError(
                f"each number of steps must be a whole part of the one before it, "
                f"not {', '.join(map(str, self.counts))}"
            )
        self.average_decay = average_decay
        w_range = {"w_min": w_min, "w_max": w_max, "w_exponent": w_exponent}
        guided = guided_stage(w_range, guided_updates, guided_learning_rate)
        self.before = [guided] if use_guidance else []
        self.common = {**w_range, "use_guidance": use_guidance}
        self.use_guidance = use_guidance
        self.updates, self.learning_rate, self.use_ema = updates, learning_rate, use_ema

    def stages(self) -> list[Stage]:
        """Guided, where students take w, then one stage for each number of steps, named by it."""
        return [*self.before, *(self._stage(*pair) for pair in pairwise(self.counts))]

    def _stage(self, before: int, after: int) -> Stage:
        objective = {
            "name": "tract",
            "steps": after,
            "factor": before // after,
            "average_decay": self.average_decay,
            **self.common,
        }
        return Stage(
            str(after),
            objective,
            self.updates,
            self.learning_rate,
            num_steps=after,
            is_guided=self.use_guidance,
            use_ema=self.use_ema,
        )
