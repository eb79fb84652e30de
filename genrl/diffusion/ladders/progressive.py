"""The ladder of guided distillation: guided → start → ... → end steps.

Stage 1 puts the guidance weight into the student (Meng et al. 2022, algorithm 1); each further
stage divides the number of sampling steps by a factor (Salimans & Ho 2022, algorithm 2; Meng et al.
2022, algorithm 2). No EMA, as in both papers.
"""

from genrl.diffusion.ladders.base import Ladder, Stage, guided_stage, ladders


@ladders.register("progressive")
class ProgressiveLadder(Ladder):
    """Guided distillation, then progressive distillation from ``start`` steps to ``end``.

    Args:
        start: sampling steps of the first progressive student.
        end: sampling steps of the last one.
        factor: by which each stage divides the number of steps, >= 2.
        start_factor: teacher steps for each step of the first student, which inherits the error of
            its teacher's sampler; None takes ``factor``.
        w_min: lowest guidance weight, >= -1.
        w_max: highest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether there is a guided stage and students take w; without it, data need no
            labels.
        guided_updates: length of the guided stage.
        guided_learning_rate: at its start.
        updates: length of each progressive stage.
        learning_rate: at the start of each progressive stage.
        last_updates: length of the stages with at most two steps, which are the hardest; None takes
            ``updates``.

    Raises:
        ValueError: if ``end`` cannot be reached from ``start`` by dividing by ``factor``.
    """

    def __init__(
        self,
        *,
        start: int = 16,
        end: int = 1,
        factor: int = 2,
        start_factor: int | None = None,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
        guided_updates: int = 1000,
        guided_learning_rate: float = 5e-4,
        updates: int = 800,
        learning_rate: float = 5e-4,
        last_updates: int | None = None,
    ) -> None:
        if factor < 2:
            raise ValueError(f"factor must be at least 2, not {factor}")
        self.num_steps = [start]
        while self.num_steps[-1] > end and self.num_steps[-1] % factor == 0:
            self.num_steps.append(self.num_steps[-1] // factor)
        if self.num_steps[-1] != end or end < 1:
            raise ValueError(
                f"start={start} cannot be divided by factor={factor} down to end={end}; "
                f"it gives {', '.join(map(str, self.num_steps))}"
            )
        self.factor = factor
        self.start_factor = factor if start_factor is None else start_factor
        w_range = {"w_min": w_min, "w_max": w_max, "w_exponent": w_exponent}
        guided = guided_stage(w_range, guided_updates, guided_learning_rate)
        self.before = [guided] if use_guidance else []
        self.common = {**w_range, "use_guidance": use_guidance}
        self.use_guidance = use_guidance
        self.updates, self.learning_rate = updates, learning_rate
        self.last_updates = updates if last_updates is None else last_updates

    def stages(self) -> list[Stage]:
        """Guided, where students take w, then one stage for each number of steps, named by it."""
        return [*self.before, *(self._progressive(steps) for steps in self.num_steps)]

    def _progressive(self, steps: int) -> Stage:
        objective = {
            "name": "progressive_distillation",
            "steps": steps,
            "factor": self.start_factor if steps == self.num_steps[0] else self.factor,
            **self.common,
        }
        updates = self.last_updates if steps <= 2 else self.updates
        return Stage(
            str(steps), objective, updates, self.learning_rate, steps, is_guided=self.use_guidance
        )
