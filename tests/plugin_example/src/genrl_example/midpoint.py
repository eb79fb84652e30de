"""Exponential midpoint rule on the prediction x, of second order and single-step.

With λ_m = (λ_t + λ_s) / 2 and DDIM's step D(z, x; a → b) = (σ_b/σ_a) z + (α_b - α_a σ_b/σ_a) x:

    z_m = D(z, x(z, t); t → m),  z_s = D(z, x(z_m, m); t → s)

Lu et al. 2022, DPM-Solver++, algorithm 1 with r = ½.
"""

import torch

from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import (
    Sampler,
    SamplingState,
    Times,
    rows,
    samplers,
    weighted_sum,
)
from genrl.diffusion.transitions import ddim_weights
from genrl.typing import Data


@samplers.register("midpoint")
class MidpointSampler(Sampler):
    """Second order with two evaluations for each step but the last, which is a prediction."""

    order = 2

    def evaluations(self, steps: int | None = None) -> int:
        return 2 * super().evaluations(steps) - 1

    def plan(self, times: Times) -> list[tuple[float, ...]]:
        """The middle in log-SNR, then the weights of z and x up to there and up to the end."""
        start, end = times[:-1], times[1:]
        middle = self.schedule.time(self.schedule.log_snr(times).unfold(0, 2, 1).mean(1))
        half = ddim_weights(self.schedule, start, middle)
        return rows(middle, *half, *ddim_weights(self.schedule, start, end))

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        middle, half_z, half_x, of_z, of_x = state.planned
        time = torch.full((len(z),), middle, dtype=z.dtype, device=z.device)
        there = state.denoise(weighted_sum((half_z, z), (half_x, prediction.x)), time)
        return weighted_sum((of_z, z), (of_x, there.x))
