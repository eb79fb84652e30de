"""The reverse-time SDE with a dial for its noise, one Itô step exact for a given x.

dz = (f z - ½ (1 + η) g² score) dt + √η g dw
z_s = (σ_s/σ_t) e^{-ηh} z_t + α_s (1 - e^{-(1+η)h}) x + σ_s √(1 - e^{-2ηh}) ε,  h = ½ (λ_s - λ_t)

Every η has the same marginals for an exact score: η = 0 is the probability-flow ODE and the step
DDIM's, η = 1 the reverse of the noising process and the step DDPM's, and more keeps forgetting
faster. Song et al. 2021 (score SDE); the exact linear part is that of DPM-Solver++.
"""

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order, noisy_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import sde_weights
from genrl.typing import Data


@samplers.register("sde")
class SDESampler(Sampler):
    """Euler-Maruyama in which only x is held fixed along a step.

    Args:
        eta: noise of the SDE, not negative; 0 is deterministic, 1 is the reverse process.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``eta`` is negative.
    """

    def __init__(
        self, schedule: NoiseSchedule, time_grid: TimeGrid, *, eta: float = 1.0, steps: int = 64
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if eta < 0:
            raise ValueError(f"eta must not be negative, not {eta}")
        self.eta = eta

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0

    def plan(self, times: Times) -> tuple[Factors, list[float]]:
        """Factors of the mean, then the standard deviation of what is added to it, if any."""
        t, s = times[:-1], times[1:]
        of_z, of_x, std = sde_weights(self.schedule, t, s, self.eta)
        mean = first_order(self.schedule.level(t), of_z, of_x)
        return mean, std.tolist() if self.is_stochastic else []

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        return noisy_step(z, prediction, state)
