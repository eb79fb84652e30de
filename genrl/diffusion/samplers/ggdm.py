"""The generalized Gaussian sampler, whose coefficients ``genrl optimize`` learns.

z_{i+1} = c_i x̂_i + Σ_{j <= i} m_ij z_j + s_i ε_i

Without learned coefficients they are those of DDIM on the time grid. Watson et al. 2022, Learning
Fast Samplers for Diffusion Models by Differentiating Through Sample Quality.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.ggdm import GgdmCoefficients, ddim_coefficients
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers.base import Sampler, SamplingState, Times, samplers, weighted_sum
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.typing import Data

Plan = tuple[float, float, list[float], float]


@samplers.register("ggdm")
class GgdmSampler(Sampler):
    """Every earlier z takes part in a step; coefficients are DDIM's unless they were learned.

    Args:
        coefficients: learned ones, which fix the number of steps; None takes DDIM's.
        eta: of DDIM's coefficients; 0 is deterministic, 1 is DDPM.
        steps: number of grid intervals.

    Raises:
        ValueError: if ``eta`` is outside [0, 1], or a call asks for another number of steps than
            the learned coefficients have.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        time_grid: TimeGrid,
        coefficients: GgdmCoefficients | None = None,
        *,
        eta: float = 0.0,
        steps: int = 64,
    ) -> None:
        super().__init__(schedule, time_grid, steps=steps)
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], not {eta}")
        self.coefficients, self.eta = coefficients, eta

    @property
    def is_stochastic(self) -> bool:
        if self.coefficients is None:
            return self.eta > 0
        return bool((self.coefficients.std != 0).any())

    def evaluation_times(self, times: Times) -> Float64[Tensor, " steps"]:
        """The times that the coefficients amount to; DDIM's amount to the grid."""
        if self.coefficients is None:
            return times[:-1]
        return self._placed(times)[0]

    def plan(self, times: Times) -> list[Plan]:
        """The scale of z for the denoiser, then the factors of x, of every z and of the noise."""
        chosen = self._chosen(times)
        steps = zip(
            chosen.of_x.tolist(), chosen.of_z.tolist(), chosen.std.abs().tolist(), strict=True
        )
        scales = self._placed(times)[1].tolist()
        return [
            (scale, *step) for scale, step in zip(scales, (*steps, (0.0, [], 0.0)), strict=True)
        ]

    def prepare(self, z: Data, state: SamplingState) -> Data:
        """z scaled to the time that it is evaluated at."""
        state.memory = [*(state.memory or []), z]
        scaled: Data = z * state.planned[0]
        return scaled

    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        _, of_x, of_z, std = state.planned
        before = [(w, old) for w, old in zip(of_z, state.memory, strict=False) if w != 0]
        mean: Data = weighted_sum((of_x, prediction.x), *before)
        return mean if std == 0 else mean + std * state.noise_like(z)

    def _chosen(self, times: Times) -> GgdmCoefficients:
        if self.coefficients is None:
            return ddim_coefficients(self.schedule, times[:-1], self.eta)
        if self.coefficients.evaluations != len(times) - 1:
            raise ValueError(
                f"these coefficients are for {self.coefficients.evaluations} steps, "
                f"not {len(times) - 1}"
            )
        return self.coefficients

    @torch.no_grad()
    def _placed(self, times: Times) -> tuple[Float64[Tensor, " steps"], Float64[Tensor, " steps"]]:
        """Time and scale of each evaluation."""
        return self._chosen(times).times(self.schedule, times[0].item())
