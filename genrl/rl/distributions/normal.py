"""Formulas of a normal distribution with independent components, summed over the last dimension.

log N(a) = -½ Σ ((a - μ) / σ)² - Σ log σ - (d/2) log 2π

KL(p ‖ q) = Σ log(σ_q / σ_p) + ½ Σ (σ_p² + (μ_p - μ_q)²) / σ_q² - d/2
"""

import math

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def standardized(value: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """(a - μ) / σ."""
    return (value - mean) * (-log_std).exp()


def log_density(standard: Tensor, log_std: Tensor) -> Tensor:
    """Log-density from (a - μ) / σ of shape (..., d); ``log_std`` may be (d,)."""
    constant = log_std.sum(-1) + HALF_LOG_2PI * standard.shape[-1]
    return torch.sub(-constant, standard.square().sum(-1), alpha=0.5)


def divergence(mean: Tensor, log_std: Tensor, other_mean: Tensor, other_log_std: Tensor) -> Tensor:
    """KL(N(mean) ‖ N(other_mean))."""
    shift = other_log_std - log_std
    square = (-2 * shift).exp() + standardized(mean, other_mean, other_log_std).square()
    return (shift + 0.5 * square).sum(-1) - 0.5 * mean.shape[-1]
