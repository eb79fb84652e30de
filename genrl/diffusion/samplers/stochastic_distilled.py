"""The stochastic sampler of distilled models: a long step down, half of it up again with new noise.

t_i -> t_{i+2} by one DDIM step, then t_{i+2} -> t_{i+1} by q(z_t | z_s)

A jump that reaches the end of the grid lands on x itself, which is what a distilled model is
trained to predict there. The jumps are those of the deterministic sampler with half as many steps:
sample with 2N steps what was distilled for N. The last step is a prediction. Meng et al. 2022,
section 3.3 and algorithm 3.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, samplers
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import ddim_step, diffuse
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

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        noise = state.noise_like(z)
        goal = state.index + 2
        if goal == len(state.times) - 1:
            level = self.schedule.level(state.next_time)
            return level.alpha * prediction.x + level.sigma * noise
        landing = state.times[goal]
        down = ddim_step(z, prediction.x, self.schedule, state.time, landing)
        return diffuse(down, noise, self.schedule, landing, state.next_time)
