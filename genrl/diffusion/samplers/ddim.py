"""DDIM: the first-order deterministic sampler, with a dial for noise.

z_s = α_s x + √(σ_s² - v) ε_t + √v ε,  v = η² (1 - e^{λ_t - λ_s}) σ_s²

η = 0 is Euler's method in the frame (z/α, σ/α); η = 1 has the mean and variance of DDPM's
posterior. Song et al. 2021.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order, noisy_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import posterior_std, weights_between
from genrl.typing import Data


@samplers.register("ddim")
class DDIMSampler(Sampler):
    """Keeps the predicted noise and replaces the part η of it by fresh noise.

    Args:
        eta: 0 is deterministic, 1 is the ancestral sampler with the small variance.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``eta`` is outside [0, 1].
    """

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, eta: float = 0.0, steps: int = 64
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], not {eta}")
        self.eta = eta

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0

    def plan(self, times: Times) -> tuple[Factors, list[float]]:
        """Factors of the mean, then the standard deviation of what is added to it, if any."""
        t, s = times[:-1], times[1:]
        start, end = self.schedule.level(t), self.schedule.level(s)
        mean = first_order(start, *weights_between(start, end, eta=self.eta))
        if self.eta == 0:
            return mean, []
        return mean, (self.eta * posterior_std(self.schedule, t, s)).tolist()

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        return noisy_step(z, prediction, state)
