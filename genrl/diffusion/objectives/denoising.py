"""The denoising loss of an ordinary diffusion model, in x.

E ω(t) ||x̂(z_t, label) - x||²,  z_t = α x + σ ε

The weighting makes it the loss in ε, v or the likelihood bound. Labels are dropped now and then, so
that the same network learns the unconditional model that guidance needs. Ho et al. 2020; Ho &
Salimans 2022.
"""

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.noise import BatchGenerator, randn
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    check_label_dropout,
    drop_labels,
    objectives,
    x_loss,
)
from genrl.typing import Data, Labels


@objectives.register("denoising")
class DenoisingObjective(Objective):
    """Weighted x-error at a random time, with label dropout.

    Args:
        label_dropout: probability with which an example's label becomes the null class.

    Raises:
        ValueError: if ``label_dropout`` is outside [0, 1].
    """

    def __init__(self, parts: Parts, *, label_dropout: float = 0.1) -> None:
        super().__init__(parts)
        check_label_dropout(label_dropout)
        self.label_dropout = label_dropout

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        t = self.parts.time_sampler.draw(len(x), generator)
        noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
        label = drop_labels(label, self.label_dropout, self.parts.num_classes, generator)
        prediction = student(self.parts.schedule.perturb(x, t, noise), t, label)
        weighting = self.parts.weighting
        return x_loss(prediction.x, x, weighting(t), weighting.log_variance(t))
