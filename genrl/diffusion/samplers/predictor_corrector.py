"""Predictor-corrector: after each step down, Langevin steps at the noise level that it reached.

predictor: the reverse-time SDE's step of `SDESampler`
corrector: z <- z + δ score + √(2 δ (1 - r²)) ξ,  δ = 2 (r ‖ξ‖ / ‖score‖)²

Langevin steps leave the marginal of z as it is and forget where z came from, which mends what the
predictor did wrong. r is the ratio of the score's move to the noise's, and belongs to each example
by itself, so that a sample does not depend on its batch. Each costs an evaluation.

The paper's step has no factor 1 - r² and ends with a variance that is too large by r², however many
steps there are: E z·score = -d for any density, so a step adds -2δd + δ² ‖score‖² + 2δd to E ‖z‖²,
of which the middle is 2δ r² d. Song et al. 2021 (score SDE), algorithms 2 to 5.
"""

import math

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, rows, samplers
from genrl.diffusion.samplers.first_order import Factors, first_order, first_order_step
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.transitions import like_data, sde_weights
from genrl.registry import ConfigurationError
from genrl.typing import Data

LEAST = 64  # entries of an example


@samplers.register("predictor_corrector")
class PredictorCorrectorSampler(Sampler):
    """Steps of the reverse-time SDE, each followed by Langevin steps.

    For data of many entries: the norms of D entries scatter, and each step's size with them, which
    leaves a standard deviation that is too large by about 2/D, however many steps there are. With
    one entry it is too large by factors of a hundred. Data of fewer than 64 entries is refused.

    Args:
        snr: r, size of a Langevin step, in (0, 1); 0.16 is the paper's on images.
        corrections: Langevin steps after each predictor step; each is an evaluation.
        eta: noise of the predictor as in `SDESampler`, not negative; 0 is DDIM.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``snr`` is not in (0, 1), or ``corrections`` or ``eta`` is negative.
        ConfigurationError: on sampling data of fewer than 64 entries with corrections.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        time_grid: TimeGrid,
        *,
        snr: float = 0.16,
        corrections: int = 1,
        eta: float = 1.0,
        steps: int = 64,
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 0 < snr < 1:
            raise ValueError(f"snr must be in (0, 1), not {snr}")
        if corrections < 0 or eta < 0:
            raise ValueError("corrections and eta must not be negative")
        self.snr, self.corrections, self.eta = snr, corrections, eta

    @property
    def is_stochastic(self) -> bool:
        return self.corrections > 0 or self.eta > 0

    def evaluations(self, steps: int | None = None) -> int:
        return (1 + self.corrections) * super().evaluations(steps) - self.corrections

    def plan(self, times: Times) -> tuple[Factors, list[tuple[float, ...]]]:
        """Factors of the predictor's mean, then its standard deviation and σ where it goes."""
        start, end = times[:-1], times[1:]
        of_z, of_x, std = sde_weights(self.schedule, start, end, self.eta)
        mean = first_order(self.schedule.level(start), of_z, of_x)
        return mean, rows(std, self.schedule.level(end).sigma)

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        factors, noises = state.plan
        std, sigma = noises[state.index]
        z = first_order_step(z, prediction, factors, state.index)
        if self.eta > 0:
            z = z + std * state.noise_like(z)
        if self.corrections > 0:
            require_entries(z)
        for _ in range(self.corrections):
            z = self.corrected(z, state.denoise_next(z).eps, state.noise_like(z), sigma)
        return z

    def corrected(self, z: Data, eps: Data, noise: Data, sigma: float) -> Data:
        """One Langevin step for score = -ε/σ, in which every factor stays of the size of σ."""
        size = self.snr * _norm(noise) / _norm(eps)
        spread = 2 * sigma * math.sqrt(1 - self.snr**2) * size
        moved: Data = z - (2 * sigma * size**2) * eps + spread * noise
        return moved


def require_entries(z: Data) -> None:
    """Refuse data whose norms scatter too much.

    Raises:
        ConfigurationError: if an example has fewer than 64 entries.
    """
    if z[0].numel() < LEAST:
        raise ConfigurationError(
            f"predictor_corrector sizes its steps by norms, which takes data of at least {LEAST} "
            f"entries, not {z[0].numel()}: take sampler=sde, or corrections=0"
        )


def _norm(data: Data) -> Data:
    """Of each example, never 0, shaped to broadcast against it."""
    norm: Data = torch.linalg.vector_norm(data.flatten(1), dim=1)
    return like_data(norm.clamp(min=torch.finfo(data.dtype).tiny), data)
