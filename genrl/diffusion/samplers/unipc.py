"""UniPC: a predictor, and a corrector that costs no evaluation, both in log-SNR.

z_s = (σ_s/σ_t) z_t + σ_s ∫ x(λ) d e^{λ/2}

The predictor integrates the polynomial through the last p predictions of x. Once x at s is known,
the corrector takes the same step again with the polynomial that has this point too, and the next
step starts from there: order p + 1 for the evaluations of order p.

The integrals are exact but for two, the predictor's with p = 2 and the corrector's with p = 1: the
published method has half of B(h) there, where B is h in "bh1" and e^h - 1 in "bh2"; no other weight
depends on B. The order is the same; "bh2" has the smallest error in long steps. Zhao et al. 2023,
section 3.
"""

from typing import Literal, NamedTuple

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import (
    Sampler,
    SamplingState,
    Times,
    rows,
    samplers,
    weighted_sum,
)
from genrl.diffusion.samplers.quadrature import data_moments, past_nodes, quadrature_weights
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_weights
from genrl.typing import Data

Variant = Literal["exact", "bh1", "bh2"]


class Plan(NamedTuple):
    """Factors of z and of x, of the latest prediction first, in both halves of a step.

    The corrector repairs the step that led here, the predictor goes on.
    """

    corrector: tuple[float, list[float]] | None
    predictor: tuple[float, list[float]]


@samplers.register("unipc")
class UniPCSampler(Sampler):
    """Predictor and corrector from one evaluation for each step.

    Args:
        order: p of the predictor, 1 to 3; the corrector adds one to the order of convergence.
        use_corrector: False leaves the predictor, of order p after a start of second order.
        variant: the published bh1 or bh2, or exact integrals.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``order`` is not in [1, 3], or ``variant`` is unknown.
    """

    order = 3

    def __init__(
        self,
        schedule: NoiseSchedule,
        time_grid: TimeGrid,
        *,
        order: int = 2,
        use_corrector: bool = True,
        variant: Variant = "bh2",
        steps: int = 64,
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 1 <= order <= 3:
            raise ValueError(f"order must be from 1 to 3, not {order}")
        if variant not in ("exact", "bh1", "bh2"):
            raise ValueError(f"variant must be exact, bh1 or bh2, not {variant!r}")
        self.predictor_order = order
        self.use_corrector = use_corrector
        self.variant = variant
        self.order = order + use_corrector

    def plan(self, times: Times) -> list[Plan]:
        log_snr = self.schedule.log_snr(times)
        points = log_snr.tolist()
        alpha = self.schedule.log_alpha(log_snr).exp().tolist()
        steps = rows(*ddim_weights(self.schedule, times[:-1], times[1:]))
        plan, corrector = [], None
        for index, (of_z, of_x) in enumerate(steps):
            nodes = past_nodes(points, index, self.predictor_order)
            half = 0.5 * (points[index + 1] - points[index])
            predicted = self._weights(nodes, half, alpha[index + 1], of_x)
            plan.append(Plan(corrector, (of_z, predicted)))
            if self.use_corrector and half > 0:
                corrected = self._weights([1.0, *nodes], half, alpha[index + 1], of_x)
                corrector = (of_z, corrected)
            else:
                corrector = None
        return plan

    def _weights(self, nodes: list[float], half: float, alpha: float, of_x: float) -> list[float]:
        """Weights of x at the nodes; ``of_x`` is their sum, which one node has for itself."""
        if len(nodes) == 1:
            return [of_x]
        if len(nodes) == 2 and self.variant != "exact":
            # Σ = of_x; the difference of x over the step, extrapolated or seen, counts half of B.
            scale = half * alpha if self.variant == "bh1" else of_x
            ahead, behind = max(nodes), min(nodes)
            change = 0.5 * scale / (ahead - behind)
            by_node = {ahead: change, behind: -change}
            return [by_node[node] + (of_x if node == 0 else 0.0) for node in nodes]
        return quadrature_weights(nodes, data_moments(half, alpha, len(nodes)))

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        corrector, (of_z, of_x) = state.planned
        known = [prediction.x, *(past.x for past in reversed(state.predictions))]
        if corrector is not None:
            of_before, weights = corrector
            z = weighted_sum((of_before, state.memory), *zip(weights, known, strict=False))
        state.memory = z
        return weighted_sum((of_z, z), *zip(of_x, known, strict=False))
