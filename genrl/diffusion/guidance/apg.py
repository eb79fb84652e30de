"""Adaptive projected guidance: the part of the guidance that only raises contrast is taken out.

Δ = x_c - x_u,  Δ ← Δ + β Δ_before,  Δ ← Δ min(1, r / ||Δ||),  x = x_c + w (Δ_⊥ + η Δ_∥)

Δ_∥ is the projection of Δ on x_c. A negative momentum β takes from each step what those before it
have done already; r limits a step's length. η = 1, β = 0 and no limit are classifier-free guidance.
Sadat et al. 2024, algorithm 1, whose scale is 1 + w.

Momentum lives in the run of a sampler (`APGGuidance.begin`), where every evaluation counts, also
the second one of a Heun step. A distillation target has none: its times are in no order.
"""

from torch import Tensor

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance, Guide, guidances
from genrl.diffusion.guidance.branches import branches
from genrl.diffusion.guidance.sources import Sources
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.transitions import like_data
from genrl.typing import Batch, Data, Labels


@guidances.register("apg")
class APGGuidance(Guidance):
    """Guidance by the part of x_c - x_u that is orthogonal to x_c, with limit and momentum.

    Args:
        eta: η, share of the parallel part that is kept; 1 keeps all.
        norm_threshold: r, largest Euclidean norm of the difference of one example; 0 sets none. It
            grows with the size of the data: 2.5 to 15 in the paper.
        momentum: β, in (-1, 1), negative in the paper; only a sampler has it.

    Raises:
        ValueError: if ``norm_threshold`` is negative or ``momentum`` outside (-1, 1).
    """

    def __init__(
        self,
        num_classes: int,
        sources: Sources | None = None,
        *,
        eta: float = 0.0,
        norm_threshold: float = 0.0,
        momentum: float = -0.5,
    ) -> None:
        super().__init__(num_classes, sources)
        if norm_threshold < 0 or not -1 < momentum < 1:
            raise ValueError(
                "norm_threshold must not be negative and momentum must be in (-1, 1), "
                f"not {norm_threshold} and {momentum}"
            )
        self.eta, self.norm_threshold, self.momentum = eta, norm_threshold, momentum

    def __call__(
        self, denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
    ) -> Prediction:
        conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
        return self._guided(conditional, conditional.x - unconditional.x, w)

    def begin(self) -> Guide:
        total: Tensor | float = 0.0

        def remembering(
            denoiser: ConditionalDenoise, z: Data, t: Batch, label: Labels | None, w: Batch
        ) -> Prediction:
            nonlocal total
            conditional, unconditional = branches(denoiser, z, t, label, self.num_classes)
            total = conditional.x - unconditional.x + self.momentum * total
            return self._guided(conditional, total, w)

        return remembering

    def _guided(self, conditional: Prediction, difference: Tensor, w: Batch) -> Prediction:
        flat = difference.flatten(1)
        if self.norm_threshold > 0:
            norm = flat.norm(dim=1, keepdim=True)
            flat = flat * (self.norm_threshold / norm).clamp(max=1)  # 0 / 0 does not occur: r > 0
        # In float64: a difference that is nearly parallel leaves few digits for the rest.
        direction, long = conditional.x.flatten(1).double(), flat.double()
        square = direction.square().sum(dim=1, keepdim=True)
        share = (long * direction).sum(dim=1, keepdim=True) / square.where(square > 0, 1.0)
        update = long + (self.eta - 1) * share * direction
        shift = update.to(difference).view_as(difference)
        return conditional.shifted(like_data(w, shift) * shift)
