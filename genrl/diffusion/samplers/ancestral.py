"""Ancestral sampling: z_s is drawn from the posterior around the predicted x.

mean = r (α_s/α_t) z_t + (1 - r) α_s x,  r = e^{λ_t - λ_s}
variance = small^{1-g} large^g,  small = (1 - r) σ_s²,  large = small (1 + e^{λ_s}) / (1 + e^{λ_t})

"small" is exact for data that is a single point, "large" for data N(0, I) under every schedule; for
a variance-preserving one it is DDPM's (1 - r) σ_t². Ho et al. 2020; the interpolation is that of
Nichol & Dhariwal 2021 and Ho & Salimans 2022.
"""

import torch
from torch.nn.functional import softplus

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order, noisy_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import posterior_std, weights_between
from genrl.typing import Data


@samplers.register("ancestral")
class AncestralSampler(Sampler):
    """DDPM's sampler, with a variance between the two extremes.

    Args:
        variance_interpolation: g in [0, 1]; 0 is the small variance, 1 the large one.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``variance_interpolation`` is outside [0, 1].
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        time_grid: TimeGrid,
        *,
        variance_interpolation: float = 0.3,
        steps: int = 64,
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 0 <= variance_interpolation <= 1:
            raise ValueError(
                f"variance_interpolation must be in [0, 1], not {variance_interpolation}"
            )
        self.variance_interpolation = variance_interpolation

    @property
    def is_stochastic(self) -> bool:
        return True

    def plan(self, times: Times) -> tuple[Factors, list[float]]:
        """Factors of the mean, and the standard deviation."""
        t, s = times[:-1], times[1:]
        start, end = self.schedule.level(t), self.schedule.level(s)
        mean = first_order(start, *weights_between(start, end, eta=1.0))
        log_ratio = softplus(end.log_snr) - softplus(start.log_snr)
        widening = torch.exp(0.5 * self.variance_interpolation * log_ratio)
        return mean, (posterior_std(self.schedule, t, s) * widening).tolist()

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        return noisy_step(z, prediction, state)
