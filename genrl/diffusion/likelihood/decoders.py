"""The last term of a likelihood: how probable an image of a few levels is, given a Gaussian for it.

log p(v) = log [Φ((x + δ - μ) / s) - Φ((x - δ - μ) / s)],  x = 2 v / (K - 1) - 1,  δ = 1 / (K - 1)

The bins of the darkest and the brightest value reach to infinity, so that the K probabilities sum
to one. Ho et al. 2020, equation 13.
"""

import math

import torch
from torch import Tensor
from torch.special import log_ndtr

from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


def discretized_gaussian_log_prob(x: Data, mean: Data, std: Data, num_values: int = 256) -> Data:
    """Log-probability of each number of ``x`` in nats, never NaN however far it is from the mean.

    Args:
        x: values of ``num_values`` equally spaced levels in [-1, 1].
        mean: μ of the Gaussian.
        std: s of the Gaussian, positive.
        num_values: K, at least 2.

    Raises:
        ValueError: if ``num_values < 2``.
    """
    _require_levels(num_values)
    half = 1 / (num_values - 1)
    infinity = torch.full_like(x, torch.inf)
    lower = torch.where(x <= -1 + half, -infinity, (x - half - mean) / std)
    upper = torch.where(x >= 1 - half, infinity, (x + half - mean) / std)
    # In the right tail both Φ round to 1; the mirrored difference keeps its digits.
    is_right = lower > 0
    lower, upper = torch.where(is_right, -upper, lower), torch.where(is_right, -lower, upper)
    log_upper, log_lower = log_ndtr(upper), log_ndtr(lower)
    log_prob: Data = log_upper + torch.log(-torch.expm1(log_lower - log_upper))
    return log_prob


def level_log_prob(x: Data, z: Data, level: NoiseLevel, num_values: int) -> Data:
    """log p(x | z) of each number where all levels are equally likely before z = α x + σ ε is seen.

    p(x_v | z) = softmax_v(-½ SNR (x_v - z/α)²)

    The decoder of variational diffusion models: it has no parameters and needs no network, and
    where the noise is far finer than the levels it is certain. Kingma et al. 2021, section 3.3.

    Args:
        x: values of ``num_values`` equally spaced levels in [-1, 1].
        z: noisy data.
        level: of z, broadcastable against it.
        num_values: at least 2.

    Returns:
        Log-probabilities in nats.

    Raises:
        ValueError: if ``num_values < 2``.
    """
    _require_levels(num_values)
    values = torch.linspace(-1, 1, num_values, dtype=z.dtype, device=z.device)
    center, precision = z / level.alpha, (level.alpha / level.sigma).square()
    logits = -0.5 * precision[..., None] * (values - center[..., None]).square()
    own = -0.5 * precision * (x - center).square()
    log_prob: Data = own - logits.logsumexp(-1)
    return log_prob


def gaussian_log_prob(x: Data, mean: Data, std: Tensor) -> Data:
    """log N(x; mean, std²) of each number in nats, the decoder of data that has no levels."""
    deviation = (x - mean) / std
    log_prob: Data = -0.5 * (deviation.square() + math.log(2 * math.pi)) - torch.log(std)
    return log_prob


def _require_levels(num_values: int) -> None:
    if num_values < 2:
        raise ValueError(f"num_values must be at least 2, not {num_values}")
