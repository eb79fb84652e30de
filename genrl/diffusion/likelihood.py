"""The last term of a likelihood: how probable an image of 8 bits is, given a Gaussian for it.

log p(v) = log [Φ((x + δ - μ) / s) - Φ((x - δ - μ) / s)],  x = 2 v / (K - 1) - 1,  δ = 1 / (K - 1)

The bins of the darkest and the brightest value reach to infinity, so that the K probabilities sum
to one. Ho et al. 2020, equation 13.
"""

import torch
from torch.special import log_ndtr

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
    if num_values < 2:
        raise ValueError(f"num_values must be at least 2, not {num_values}")
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
