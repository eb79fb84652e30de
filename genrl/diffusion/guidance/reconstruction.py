"""Reconstruction guidance: completes data of which a part a is known.

x_a = its known value,  x_b = x̂_b(z) - (w α / 2) ∇_{z_b} ||x_a - x̂_a(z)||²

The gradient is that of log q(x_a | z) when this is taken for N(x̂_a, σ²/α²), exact for Gaussian data
to first order in σ²/α². Setting x_a in the prediction makes a sampler carry the known part by
itself: its z_a stays a sample of q(z_a | x_a), which is the paper's replacement. w = 0 is
replacement alone. Ho, Salimans, Gritsenko, Chan, Norouzi & Fleet 2022, equation 7.
"""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import gradient
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.transitions import like_data
from genrl.registry import ConfigurationError
from genrl.typing import Batch, Data, Labels


@guidances.register("reconstruction")
class ReconstructionGuidance(Guidance):
    """Completes a picture: the known part is kept, its reconstruction error guides the rest.

    A prediction costs a gradient through the network; labels are not needed.

    Args:
        sources: opens both arrays.
        values: file with one example of the data; what the mask leaves out may be anything.
        mask: file with an array that broadcasts to an example: positive where it is known.

    Raises:
        ValueError: if the shapes of both do not fit, or the mask knows nothing or everything.
    """

    needs_labels = False
    is_plain_at_zero = False

    def __init__(self, num_classes: int, sources: Sources, *, values: str, mask: str) -> None:
        super().__init__(num_classes, sources)
        self.values = sources.array(values)
        where = sources.array(mask) > 0
        try:
            self.is_known = where.expand_as(self.values)
        except RuntimeError as error:
            raise ConfigurationError(
                f"the mask {mask} of shape {tuple(where.shape)} does not fit the values {values} "
                f"of shape {tuple(self.values.shape)}"
            ) from error
        if not where.any() or where.all():
            much = "everything" if where.all() else "nothing"
            raise ConfigurationError(
                f"the mask {mask} says that {much} is known: it must be positive (white) where the "
                "values are given and not elsewhere"
            )

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        if z.shape[1:] != self.values.shape:
            raise ConfigurationError(
                f"the known values have shape {tuple(self.values.shape)}, "
                f"but an example of the data has {tuple(z.shape[1:])}"
            )
        values, is_known = self.values.to(z), self.is_known.to(z.device)
        found: list[Prediction] = []

        def error(noisy: Data) -> Tensor:
            found.append(denoiser(noisy, t, label))
            return (values - found[0].x).where(is_known, 0.0).square()

        slope = gradient(error, z)
        (raw,) = found
        plain = Prediction(raw.x.detach(), raw.eps.detach(), raw.level)
        to_b = -0.5 * like_data(w, z) * plain.level.alpha * slope
        return plain.shifted(torch.where(is_known, values - plain.x, to_b))
