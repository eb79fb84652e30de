"""The stochastic sampler of distilled models: a long step down, half of it up again with new noise.

t_i -> t_{i+2} by one DDIM step, then t_{i+2} -> t_{i+1} by q(z_t | z_s)

A jump that reaches the end of the grid lands on x itself, which is what a distilled model is
trained to predict there. The jumps are those of the deterministic sampler with half as many steps:
sample with 2N steps what was distilled for N. The last step is a prediction. Meng et al. 2022,
section 3.3 and algorithm 3.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import (
    Sampler,
    SamplingState,
    Times,
    rows,
    samplers,
    weighted_sum,
)
from genrl.diffusion.samplers.first_order import Factors, first_order, first_order_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_weights, diffuse_weights
from genrl.typing import Data


@samplers.register("stochastic_distilled")
class StochasticDistilledSampler(Sampler):
    """Two grid intervals down, one up.

    Args:
        steps: number of grid intervals.
    """

    def __init__(self, schedule: NoiseSchedule, time_grid: TimeGrid, *, steps: int = 64) -> None:
        super().__init__(schedule, time_grid, steps=steps)

    @property
    def is_stochastic(self) -> bool:
        return True

    def plan(self, times: Times) -> tuple[Factors, list[tuple[float, ...]]]:
        """Factors of the step down, then those of z and the noise on the way up again."""
        start, rest, landing = times[:-2], times[1:-1], times[2:]
        of_z, of_x = ddim_weights(self.schedule, start, landing)
        keep, std = diffuse_weights(self.schedule, landing, rest)
        if len(rest):
            last = self.schedule.level(rest[-1])
            of_z[-1], of_x[-1], keep[-1], std[-1] = 0, last.alpha, 1, last.sigma
        return first_order(self.schedule.level(start), of_z, of_x), rows(keep, std)

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        factors, up = state.plan
        keep, std = up[state.index]
        down = first_order_step(z, prediction, factors, state.index)
        return weighted_sum((keep, down), (std, state.noise_like(z)))
