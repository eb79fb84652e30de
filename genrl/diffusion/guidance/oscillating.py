"""Classifier-free guidance whose weight goes up and down from step to step.

w, w, ..., w, then w, low · w, w, low · w, ...

High weights all the way saturate colours; alternating them with low ones keeps the alignment
without that. The number of a step is taken from the time, i = (1 - t) · steps, so that a student
can learn the same weights at random times: on the uniform grid of ``steps`` steps they are the
paper's. Ho et al. 2022, Imagen Video, section 2.3, whose 15 and 1 are w = 14 and low = 0 here.
"""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.guidance.branches import branches, extrapolated
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels

_ROUNDING = 1e-3  # of a step: float32 times lie a little beside the points of a grid


@guidances.register("oscillating")
class OscillatingGuidance(Guidance):
    """Classifier-free guidance with w in the first steps, then w and low · w in turn.

    Args:
        steps: equal parts of the time, one for each step of the sampler on a uniform grid.
        constant: how many steps come first, all with w.
        low: share of w in the low steps, in [0, 1].

    Raises:
        ValueError: if ``steps`` is below 1, ``constant`` negative or ``low`` outside [0, 1].
    """

    def __init__(
        self,
        num_classes: int,
        sources: Sources | None = None,
        *,
        steps: int = 64,
        constant: int = 8,
        low: float = 0.0,
    ) -> None:
        super().__init__(num_classes, sources)
        if steps < 1 or constant < 0 or not 0 <= low <= 1:
            raise ValueError(
                "steps must be at least 1, constant at least 0 and low in [0, 1], "
                f"not {steps}, {constant} and {low}"
            )
        self.steps, self.constant, self.low = steps, constant, low

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        is_high = self._is_high(t)
        if self.low == 0 and not is_high.any():
            return denoiser(z, t, label)
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        return extrapolated(conditional, unconditional, w.where(is_high, self.low * w))

    def evaluations_at(self, t: float, log_snr: float) -> int:
        is_high = bool(self._is_high(torch.tensor(t, dtype=torch.float64)))
        return 2 if is_high or self.low > 0 else 1

    def _is_high(self, t: Tensor) -> Tensor:
        index = torch.floor((1 - t) * self.steps + _ROUNDING)
        return (index < self.constant) | ((index - self.constant) % 2 == 0)
