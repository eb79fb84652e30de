"""How differently two diffusion models denoise the same states.

For s_t = α(t) s + σ(t) ε the difference |ε_L(s_t, t) - ε|² - |ε_E(s_t, t) - ε|² says how much
better the model E knows the state s than the model L. Where L is the exact model of the states' own
distribution, its mean is -E |ε_E - ε_L|²; the mean of that direct form varies far less, but is
meaningless elsewhere.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genrl.diffusion import ConditionalDenoise, NoiseSchedule
from genrl.diffusion.noise import randn
from genrl.typing import Batch


@dataclass(frozen=True)
class Contrast:
    """How two models denoise the same states, averaged over times.

    Args:
        reward: |ε_L - ε|² - |ε_E - ε|² of each state, (batch,).
        divergence: |ε_E - ε_L|² of each state, (batch,).
    """

    reward: Tensor
    divergence: Tensor


def contrast(
    expert: ConditionalDenoise,
    learner: ConditionalDenoise,
    schedule: NoiseSchedule,
    states: Tensor,
    times: Batch,
    generator: torch.Generator,
) -> Contrast:
    """Compare two models on the same noised states, each state at each of the times.

    Args:
        expert: ε_E.
        learner: ε_L.
        schedule: of both.
        states: (batch, size).
        times: (times,).
        generator: of the noise, which differs for each state and time.
    """
    batch, count = len(states), len(times)
    # Row i·count + j is state i at time j. To repeat both the same way would pair state i only with
    # times j = i modulo the greatest common divisor of both lengths.
    rows = states.repeat_interleave(count, dim=0)
    t = times.repeat(batch)
    noise = randn(rows.shape, generator, dtype=rows.dtype, device=rows.device)
    z = schedule.perturb(rows, t, noise)
    eps_expert, eps_learner = expert(z, t).eps, learner(z, t).eps
    error = (eps_learner - noise).square().sum(1) - (eps_expert - noise).square().sum(1)
    divergence = (eps_expert - eps_learner).square().sum(1)
    return Contrast(error.view(batch, count).mean(1), divergence.view(batch, count).mean(1))
