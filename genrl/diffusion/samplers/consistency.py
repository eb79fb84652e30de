"""Multistep sampling of a consistency model: jump to the data, noise again, jump again.

z_s = α_s x + σ_s ε with fresh noise ε; the last jump is the result. Song et al. 2023, algorithm 1.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, samplers
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.typing import Data


@samplers.register("consistency")
class ConsistencySampler(Sampler):
    """Keeps nothing of z but the predicted x, and noises it afresh; one step is a prediction.

    Args:
        steps: number of grid intervals.
    """

    of_consistency = True

    def __init__(self, schedule: NoiseSchedule, time_grid: TimeGrid, *, steps: int = 4) -> None:
        super().__init__(schedule, time_grid, steps=steps)

    @property
    def is_stochastic(self) -> bool:
        return True

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        level = self.schedule.level(state.next_time)
        return level.alpha * prediction.x + level.sigma * state.noise_like(z)
