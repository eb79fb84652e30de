"""From the guided student to a consistency model, which jumps from any noise to the data at once.

Distillation follows the teacher's steps (Song et al. 2023; guided, Luo et al. 2023); tuning needs
none (Geng et al. 2024).
"""

from typing import Any, Literal

from genrl.diffusion.ladders.base import Ladder, Stage, guided_stage, ladders


@ladders.register("consistency")
class ConsistencyLadder(Ladder):
    """Guided distillation, then one stage that ends with a consistency model.

    More steps than one: ``student_sampler=consistency``, ``genrl sample RUN steps=4``.

    Args:
        method: ``distillation`` takes a step of the teacher's for each target, ``tuning`` (ECT)
            noises data twice.
        intervals: of the teacher's time grid (distillation).
        average_decay: of the average of the student that gives the target (distillation).
        doublings: how often the gap between the two noise levels is halved (tuning).
        w_min: lowest guidance weight, >= -1.
        w_max: highest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether there is a guided stage and students take w; without it, data need no
            labels.
        guided_updates: length of the guided stage.
        guided_learning_rate: at its start.
        updates: length of the consistency stage.
        learning_rate: at its start.
        use_ema: whether the consistency model takes its moving average at the end.
    """

    def __init__(
        self,
        *,
        method: Literal["distillation", "tuning"] = "distillation",
        intervals: int = 64,
        average_decay: float = 0.95,
        doublings: int = 8,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
        guided_updates: int = 1000,
        guided_learning_rate: float = 5e-4,
        updates: int = 2000,
        learning_rate: float = 5e-4,
        use_ema: bool = True,
    ) -> None:
        w_range = {"w_min": w_min, "w_max": w_max, "w_exponent": w_exponent}
        guided = guided_stage(w_range, guided_updates, guided_learning_rate)
        self.before = [guided] if use_guidance else []
        self.common = {**w_range, "use_guidance": use_guidance}
        self.use_guidance = use_guidance
        own: dict[str, Any] = {"doublings": doublings}
        if method == "distillation":
            own = {"intervals": intervals, "average_decay": average_decay}
        self.objective = {"name": f"consistency_{method}", **own, **self.common}
        self.updates, self.learning_rate, self.use_ema = updates, learning_rate, use_ema

    def stages(self) -> list[Stage]:
        """Guided, where students take w, then ``consistency``."""
        last = Stage(
            "consistency",
            self.objective,
            self.updates,
            self.learning_rate,
            num_steps=1,
            is_guided=self.use_guidance,
            use_ema=self.use_ema,
        )
        return [*self.before, last]
