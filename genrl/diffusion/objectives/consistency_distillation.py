"""Consistency distillation: one jump from any noise to the data.

Two neighbouring points of the teacher's path shall lead to the same x: the student's x at t is set
against that of its own moving average at s, where one step of the teacher lands,

    E ω(t) ||x̂_student(z_t, label, w) - x̂_average(z_s, label, w)||²,  and x̂_teacher where s = 0

This is TRACT's loss with one group that reaches from noise to data. The boundary condition, x = z
at the data, is the parameterization's: v, both and edm fulfil it up to the schedule's last σ. Song
et al. 2023, algorithm 2; with w in the student and one weight for each example, Luo et al. 2023.
"""

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.noise import BatchGenerator
from genrl.diffusion.objectives.base import Loss, Objective, Parts, objectives
from genrl.diffusion.objectives.tract import TractObjective
from genrl.typing import Data, Labels


@objectives.register("consistency_distillation")
class ConsistencyDistillationObjective(Objective):
    """Weighted difference between the student and its average one step of the teacher later.

    Args:
        intervals: of the teacher's time grid, at least 2.
        average_decay: of the average that gives the target, in [0, 1).
        w_min: smallest guidance weight.
        w_max: largest guidance weight.
        w_exponent: the loss of an example is divided by (1 + |w|)^w_exponent.
        use_guidance: whether student and teacher are given w; it is not drawn for data without
            labels.

    Raises:
        ValueError: if ``intervals < 2``, or ``average_decay`` or the range of w is impossible.
    """

    needs_teacher = True

    def __init__(
        self,
        parts: Parts,
        *,
        intervals: int = 64,
        average_decay: float = 0.95,
        w_min: float = 0.0,
        w_max: float = 4.0,
        w_exponent: float = 0.0,
        use_guidance: bool = True,
    ) -> None:
        super().__init__(parts)
        if intervals < 2:
            raise ValueError(f"intervals must be at least 2, not {intervals}")
        self.average_decay = average_decay
        self._as_tract = TractObjective(
            parts,
            steps=1,
            factor=intervals,
            average_decay=average_decay,
            w_min=w_min,
            w_max=w_max,
            w_exponent=w_exponent,
            use_guidance=use_guidance,
        )

    def at(self, progress: float, average: ConditionalDenoise | None) -> Objective:
        return self._as_tract.at(progress, average)

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        return self._as_tract(student, teacher, x, label, generator)
