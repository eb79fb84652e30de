"""What a network may predict: x = p z + q output, where p and q depend on the noise level alone.

A step of a sampler is linear in z and x, and so in z and the output: its factors hold p and q, and
nothing needs to be converted on the way. z = α x + σ ε, v = α ε - σ x, velocity = ε - x.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Form = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""p and q at α and σ."""


def x_form(alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The output is x."""
    return torch.zeros_like(alpha), torch.ones_like(alpha)


def eps_form(alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """x = (z - σ ε) / α."""
    return 1 / alpha, -sigma / alpha


def v_form(alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """x = (α z - σ v) / (α² + σ²)."""
    norm = alpha**2 + sigma**2
    return alpha / norm, -sigma / norm


def velocity_form(alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """x = (z - σ u) / (α + σ) for u = ε - x."""
    norm = alpha + sigma
    return 1 / norm, -sigma / norm
