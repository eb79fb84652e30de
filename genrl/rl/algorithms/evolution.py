"""The mathematics of Evolution Strategies.

J(θ) = E F(θ + σε), ε ~ N(0, I), has the gradient E[F(θ + σε) ε] / σ; in antithetic pairs
(F⁺ - F⁻) ε / (2σ), where everything even in ε cancels.
Salimans et al. 2017, Evolution Strategies as a Scalable Alternative to Reinforcement Learning.
"""

import torch
from torch import Tensor


def centred_ranks(values: Tensor) -> Tensor:
    """Ranks of all values together, from -½ for the least to ½ for the greatest.

    Equal values share their mean rank: an order of them would be a gradient out of nothing.
    """
    _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
    counts = counts.double()
    ranks = (counts.cumsum(0) - 0.5 * (counts + 1))[place]
    centred: Tensor = ranks / max(1, values.numel() - 1) - 0.5
    return centred


def es_gradient(noise: Tensor, positive: Tensor, negative: Tensor, sigma: float) -> Tensor:
    """The mean over pairs of (F⁺ - F⁻) ε / (2σ), an unbiased estimate of ∇J.

    Args:
        noise: ε, (pairs, parameters).
        positive: F(θ + σε), (pairs,).
        negative: F(θ - σε), (pairs,).
        sigma: σ > 0.
    """
    difference = (positive - negative).to(noise.dtype)
    gradient: Tensor = difference @ noise / (2 * sigma * len(noise))
    return gradient
