"""Autoguidance: away from a weaker version of the same model, towards the same condition.

x = (1 + w) x_strong - w x_weak

A smaller or shorter-trained model errs in the same places, only more: the line from it through the
strong one leads to better samples without losing their variety. With the unconditional model as the
weaker one it is classifier-free guidance. Karras, Aittala, Kynkäänniemi, Lehtinen, Aila & Laine
2024, whose w is 1 + w here.
"""

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import extrapolated
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels


@guidances.register("autoguidance")
class Autoguidance(Guidance):
    """(1 + w) this model - w a weaker one with the same label; labels are not needed.

    Args:
        sources: opens the weaker model.
        model: the weaker model: a run folder or the checkpoint of a teacher, of the same schedule.
        average: one of the moving averages in that checkpoint, such as 0.999; None for its weights.
    """

    needs_labels = False

    def __init__(
        self, num_classes: int, sources: Sources, *, model: str, average: str | None = None
    ) -> None:
        super().__init__(num_classes, sources)
        self.weaker = sources.model(model, average)

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        return extrapolated(denoiser(z, t, label), self.weaker(z, t, label), w)
