"""Linear multistep methods: a DDIM step, corrected by how the predictions changed before it.

DDIM is exact while x, or ε, stays what it is along a step. A method of order p takes the polynomial
through the last p predictions in a variable u instead and integrates it exactly,

    z_s = DDIM(z_t, x_0) + Σ_{k>0} c_k (x_k - x_0) + Σ_{k>0} e_k (ε_k - ε_0)

with k = 0 for the prediction at t, 1 for the one before. Corrections keep their digits where the
first step leaps from pure noise, which ε alone does not.

The first step is DDIM's, with a local error O(h²). That is enough for p = 2. A higher order starts
once more from t_0 with every prediction that there is, until there are p of them: the second
prediction then mends the first step, and the start costs O(h³). It does so in the angle between
data and noise, in which x and ε are smooth whatever the size of the first step.
"""

import abc
import cmath
import math
from itertools import pairwise
from typing import ClassVar, NamedTuple

from torch import Tensor

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, rows, weighted_sum
from genrl.diffusion.samplers.quadrature import (
    exponential_moments,
    past_nodes,
    quadrature_weights,
)
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_weights
from genrl.typing import Data


class Level(NamedTuple):
    """λ, α, σ and φ = arctan(σ/α) at a time of the grid, as plain numbers."""

    log_snr: float
    alpha: float
    sigma: float
    angle: float


class Combination(NamedTuple):
    """Factors of z (or of the first z), and of x and ε of the last predictions, latest first."""

    of_z: float
    of_x: list[float]
    of_eps: list[float]
    restarts: bool = False


class MultistepSampler(Sampler, abc.ABC):
    """A sampler whose step is a linear combination of z and the last predictions.

    Args:
        schedule: noise schedule.
        time_grid: where to evaluate.
        order: number of predictions that a step combines, and its order of convergence.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``order`` is not in [1, ``max_order``].
    """

    max_order: ClassVar[int] = 4

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, order: int, steps: int
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 1 <= order <= self.max_order:
            raise ValueError(f"order must be from 1 to {self.max_order}, not {order}")
        self.order = order

    @abc.abstractmethod
    def variable(self, log_snr: Tensor) -> Tensor:
        """u as a function of λ."""

    @abc.abstractmethod
    def moments(self, here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
        """What τ^j in place of x, and in place of ε, adds to z_s along a step, for j < count.

        An empty list says that the method has no polynomial of x, or of ε.
        """

    def plan(self, times: Times) -> list[Combination]:
        log_snr = self.schedule.log_snr(times)
        alpha = self.schedule.log_alpha(log_snr).exp()
        sigma = self.schedule.log_sigma(log_snr).exp()
        points = self.variable(log_snr).tolist()
        levels = [Level(*row) for row in rows(log_snr, alpha, sigma, angle(log_snr))]
        steps = rows(*ddim_weights(self.schedule, times[:-1], times[1:]))
        plan = []
        for index, (of_z, of_x) in enumerate(steps):
            seen = levels[: index + 2]
            is_falling = all(above.angle > below.angle for above, below in pairwise(seen))
            if 0 < index < self.order - 1 and is_falling:
                plan.append(_restart(seen))
                continue
            nodes = past_nodes(points, index, self.order)
            moments = self.moments(levels[index], levels[index + 1], len(nodes))
            plan.append(_combination(of_z, of_x, nodes, moments))
        return plan

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        of_z, of_x, of_eps, restarts = state.planned
        if not state.predictions:
            state.memory = z
        latest = [prediction, *reversed(state.predictions)]
        return weighted_sum(
            (of_z, state.memory if restarts else z),
            *((weight, past.x) for weight, past in zip(of_x, latest, strict=False)),
            *((weight, past.eps) for weight, past in zip(of_eps, latest, strict=False)),
        )


def angle(log_snr: Tensor) -> Tensor:
    """φ = arctan(σ/α), 0 for data and π/2 for noise."""
    return (-0.5 * log_snr).exp().atan()


def angle_moments(here: Level, there: Level, count: int) -> tuple[list[float], list[float]]:
    """√(α_s² + σ_s²) ∫ τ^j (-sin φ, cos φ) dφ: what polynomials of x and of ε in φ add to z_s."""
    turn = there.angle - here.angle
    scale = math.hypot(there.alpha, there.sigma) * turn * cmath.exp(1j * here.angle)
    both = [scale * moment for moment in exponential_moments(1j * turn, count)]
    return [-moment.imag for moment in both], [moment.real for moment in both]


def _restart(levels: list[Level]) -> Combination:
    """From the first level to the last with the predictions at all but the last."""
    start, *_, end = levels
    nodes = [(level.angle - start.angle) / (end.angle - start.angle) for level in levels[:-1]]
    of_z = end.sigma / start.sigma
    of_x = end.alpha - of_z * start.alpha
    made = _combination(of_z, of_x, nodes, angle_moments(start, end, len(nodes)))
    return Combination(of_z, made.of_x[::-1], made.of_eps[::-1], restarts=True)


def _combination(
    of_z: float, of_x: float, nodes: list[float], moments: tuple[list[float], list[float]]
) -> Combination:
    """A DDIM step, corrected as far as there are nodes; weights in the order of the nodes."""
    if len(nodes) == 1:
        return Combination(of_z, [of_x], [])
    by_x, by_eps = (_corrections(nodes, own) for own in moments)
    first, *others = by_x or [0.0]
    return Combination(of_z, [of_x + first, *others], by_eps)


def _corrections(nodes: list[float], moments: list[float]) -> list[float]:
    """Weights of the predictions themselves in Σ_{k>0} c_k (p_k - p_0)."""
    if not moments:
        return []
    _, *weights = quadrature_weights(nodes, moments)
    return [-sum(weights), *weights]
