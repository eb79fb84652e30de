"""Generalized Gaussian diffusion samplers: every coefficient of a sampler of K evaluations is free.

z_{i+1} = c_i x̂_i + Σ_{j <= i} m_ij z_j + s_i ε_i,   x̂_i the prediction at z_i,   the result x̂_{K-1}

Given x, each z_i is Gaussian with mean a_i x and variance v_i, found by replacing one z after the
other by what it is made of. The network is asked where it was trained: at the time whose SNR is
a_i²/v_i, for z_i scaled to that time's α. So the coefficients decide the times too, and whatever
they are, the chain stays consistent with data that is noised. DDIM and DDPM are members. Watson et
al. 2022, Learning Fast Samplers for Diffusion Models by Differentiating Through Sample Quality,
section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from genrl.diffusion.samplers.base import Denoise
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.schedules.clock import Clock
from genrl.diffusion.transitions import ddim_weights, posterior_std
from genrl.typing import Data


@dataclass(frozen=True)
class GgdmCoefficients:
    """The coefficients of K - 1 steps between K evaluations, in float64.

    Args:
        of_x: c_i.
        of_z: m_ij, used where j <= i.
        std: s_i; its sign does not matter.
    """

    of_x: Float64[Tensor, " steps"]
    of_z: Float64[Tensor, "steps steps"]
    std: Float64[Tensor, " steps"]

    @property
    def evaluations(self) -> int:
        """K."""
        return len(self.of_x) + 1

    def marginals(
        self, alpha: Tensor, sigma: Tensor
    ) -> tuple[Float64[Tensor, " points"], Float64[Tensor, " points"]]:
        """a and v of every z_i given x, for z_0 = α x + σ ε.

        The rows hold what each z is made of: x, then the independent noises.
        """
        count = self.evaluations
        first = torch.cat([torch.stack([alpha, sigma]), alpha.new_zeros(count - 1)])
        rows = [first]
        unit = torch.eye(count + 1, dtype=first.dtype)
        for i in range(count - 1):
            row = self.of_x[i] * unit[0] + self.std[i] * unit[i + 2]
            rows.append(row + self.of_z[i, : i + 1] @ torch.stack(rows))
        table = torch.stack(rows)
        return table[:, 0], table[:, 1:].square().sum(dim=1)

    def times(
        self, schedule: NoiseSchedule, start: float = 1.0
    ) -> tuple[Float64[Tensor, " points"], Float64[Tensor, " points"]]:
        """The time of each z, and what it is multiplied by to be the schedule's z at that time.

        Args:
            schedule: of the denoiser.
            start: time of z_0.
        """
        level = schedule.level(torch.tensor(start, dtype=torch.float64))
        mean, variance = self.marginals(level.alpha, level.sigma)
        log_snr = 2 * mean.abs().log() - variance.log()
        scale = schedule.log_alpha(log_snr).exp() / mean
        first = torch.tensor([start], dtype=torch.float64)
        return torch.cat([first, schedule.time(log_snr)[1:]]), scale


def ddim_coefficients(
    schedule: NoiseSchedule, times: Float64[Tensor, " points"], eta: float = 0.0
) -> GgdmCoefficients:
    """DDIM's coefficients on a grid (DDPM's for η = 1), without the 0 at the grid's end."""
    t, s = times[:-1], times[1:]
    of_z, of_x = ddim_weights(schedule, t, s, eta=eta)
    return GgdmCoefficients(of_x, torch.diag(of_z), eta * posterior_std(schedule, t, s))


def ggdm_step(coefficients: GgdmCoefficients, i: int, x: Data, history: Sequence[Data]) -> Data:
    """The mean of z_{i+1} from the prediction at z_i and all z_0 ... z_i."""
    mean = coefficients.of_x[i] * x
    for weight, z in zip(coefficients.of_z[i, : i + 1], history, strict=True):
        mean = mean + weight * z
    return mean.to(x.dtype)


def ggdm_sample(
    denoise: Denoise,
    noise: Data,
    draws: Sequence[Data],
    schedule: NoiseSchedule,
    coefficients: GgdmCoefficients,
    *,
    start: float = 1.0,
    rematerialize: bool = False,
) -> Data:
    """Samples x as a differentiable function of the coefficients.

    Args:
        denoise: the denoiser with its condition bound.
        noise: standard normal; it is scaled by σ(start) here.
        draws: standard normal, one for each of the K - 1 steps.
        schedule: of the denoiser.
        coefficients: of the sampler.
        start: time of z_0.
        rematerialize: whether the backward pass evaluates the network again instead of keeping what
            it held: the memory of one evaluation instead of K, for a third more work.
    """
    times, scales = coefficients.times(schedule, start)
    sigma = schedule.level(torch.tensor(start, dtype=torch.float64)).sigma

    def predict(z: Data, time: Tensor) -> Data:
        return denoise(z, Clock(time[None], z)[0]).x

    history = [(sigma * noise).to(noise.dtype)]
    for i in range(coefficients.evaluations):
        z = (scales[i] * history[-1]).to(noise.dtype)
        if rematerialize:
            x = checkpoint(predict, z, times[i], use_reentrant=False)
        else:
            x = predict(z, times[i])
        if i == coefficients.evaluations - 1:
            break
        mean = ggdm_step(coefficients, i, x, history)
        history.append(mean + (coefficients.std[i] * draws[i]).to(noise.dtype))
    result: Data = x
    return result
