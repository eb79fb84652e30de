"""CFG++: guided x, unconditional ε.

x = x_u + w (x_c - x_u),  ε = ε_u,  z_s = α_s x + σ_s ε

The step interpolates towards the conditional x and adds the unconditional noise again, which keeps
z near where the model knows it. Here w is the paper's λ in [0, 1] itself, not a scale less one: 0
is the unconditional model, and 1 guides most. Chung et al. 2024, algorithm 2.

A sampler goes on from z' = α x + σ ε in the place of z. A DDIM step of length h in log-SNR is then
that of classifier-free guidance with the scale

    1 + w_cfg = w / (1 - e^{-h/2})

which depends on the step: no prediction at a single z holds it. Where there are no steps, in a
distillation target, h is the parameter ``log_snr_step``; on a grid with that step (``log_snr``) the
student does what the sampler with CFG++ does.
"""

import math

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, Guide, guidances
from genrl.diffusion.guidance.branches import branches, extrapolated
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.typing import Batch, Data, Labels


@guidances.register("cfg_plus_plus")
class CfgPlusPlusGuidance(Guidance):
    """Guided x with the unconditional noise; w is the paper's λ from 0 to 1.

    Args:
        log_snr_step: h, length in log-SNR of the teacher's steps that a distilled student stands
            for, positive; 0.625 is 64 steps from -20 to 20.

    Raises:
        ValueError: if ``log_snr_step`` is not positive.
    """

    is_plain_at_zero = False

    def __init__(
        self, num_classes: int, sources: Sources | None = None, *, log_snr_step: float = 0.625
    ) -> None:
        super().__init__(num_classes, sources)
        if not log_snr_step > 0:
            raise ValueError(f"log_snr_step must be positive, not {log_snr_step}")
        self.log_snr_step = log_snr_step

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        scale = w / -math.expm1(-0.5 * self.log_snr_step)
        return extrapolated(conditional, unconditional, scale - 1)

    def begin(self) -> Guide:
        return self._renoised

    def objection_to(self, w: float) -> str | None:
        if 0 <= w <= 1:
            return None
        return f"w is a λ from 0 to 1, and not {w:g}: give w=0.2 or so"

    def _renoised(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        guided = extrapolated(conditional, unconditional, w - 1)
        return Prediction(guided.x, unconditional.eps, guided.level, is_renoised=True)
