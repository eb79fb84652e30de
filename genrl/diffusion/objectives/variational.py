"""The variational bound as a training loss, for the denoiser and for a schedule that learns.

loss = ½ (-SNR'(t)) ||x - x̂(z_t, label)||² + KL(q(z_1 | x) || p(z_1)) - log p(x | z_0)

in nats for each entry of the data. The ends of a learned schedule are trained to lower the loss,
its shape to lower the variance of the first term. Kingma et al. 2021.
"""

import math

import torch

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.likelihood import decoder_nats, prior_nats
from genrl.diffusion.noise import BatchGenerator, randn
from genrl.diffusion.objectives.base import (
    Loss,
    Objective,
    Parts,
    check_label_dropout,
    drop_labels,
    objectives,
)
from genrl.diffusion.schedules.learned import LearnedSchedule
from genrl.diffusion.weightings.vlb import VlbWeighting
from genrl.typing import Data, Labels


@objectives.register("variational")
class VariationalObjective(Objective):
    """The bound on -log p(x) in nats for each entry; trains a learned schedule too.

    Args:
        label_dropout: probability with which an example's label becomes the null class.

    Raises:
        ValueError: if ``label_dropout`` is outside [0, 1], or the weighting is not that of the
            bound.
    """

    trains_schedule = True

    def __init__(self, parts: Parts, *, label_dropout: float = 0.1) -> None:
        super().__init__(parts)
        check_label_dropout(label_dropout)
        if not isinstance(parts.weighting, VlbWeighting):
            raise ValueError("the bound has its own weight of each time: give weighting=vlb")
        self.label_dropout = label_dropout

    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        schedule = self.parts.schedule
        t = self.parts.time_sampler.draw(len(x), generator)
        noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
        label = drop_labels(label, self.label_dropout, self.parts.num_classes, generator)
        prediction = student(schedule.perturb(x, t, noise), t, label)
        error = (prediction.x - x).square().flatten(1).mean(dim=1)
        diffusion = self.parts.weighting(t) * error
        if isinstance(schedule, LearnedSchedule):
            schedule.steer(diffusion)

        clean, noisy = torch.zeros_like(t[:1]), torch.ones_like(t[:1])
        noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
        z = schedule.perturb(x, clean, noise)
        level = schedule.level_like(clean, x)
        reconstruction = decoder_nats(x, z, level, self.parts.num_levels)
        prior = prior_nats(x, schedule.level_like(noisy, x))
        loss = (diffusion + prior + reconstruction).mean()
        metrics = {
            "bits_per_dim": loss / math.log(2),
            "diffusion": diffusion.mean(),
            "diffusion_std": diffusion.std(correction=0),
            "prior": prior.mean(),
            "reconstruction": reconstruction.mean(),
            "log_snr_max": schedule.log_snr(clean)[0],
            "log_snr_min": schedule.log_snr(noisy)[0],
        }
        return Loss(loss, {name: value.detach().float() for name, value in metrics.items()})
