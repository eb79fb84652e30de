"""Backups and losses of distributions over returns, as pure functions.

Categorical: probabilities p_j of atoms z_i on a uniform grid with spacing Δ. A backed-up atom y_j
gives its probability to its two neighbours,

m_i = Σ_j p_j max(0, 1 - |clip(y_j) - z_i| / Δ),

which keeps the total probability, and the mean of whatever lies within the grid.
Bellemare et al. 2017, A Distributional Perspective on Reinforcement Learning, equation 7.

Quantile: values θ_i at levels τ_i = (i - ½) / N, learned from samples y_j by

Σ_i E_j |τ_i - 1[y_j < θ_i]| H_κ(y_j - θ_i) / κ,  H_κ(u) = ½ u² for |u| <= κ, else κ (|u| - ½ κ).

Dabney et al. 2018, Distributional Reinforcement Learning with Quantile Regression, equation 10.
"""

import torch
from torch import Tensor


def project(probabilities: Tensor, values: Tensor, atoms: Tensor) -> Tensor:
    """Probabilities on the grid of the distribution that has ``probabilities`` at ``values``.

    Args:
        probabilities: (batch, num).
        values: (batch, num).
        atoms: (num_atoms,), rising in equal steps, at least two.

    Returns:
        (batch, num_atoms).
    """
    last = len(atoms) - 1
    spacing = (atoms[-1] - atoms[0]) / last
    position = ((values - atoms[0]) / spacing).clamp(0, last)
    # The lower neighbour is never the last atom, so that an upper one exists.
    lower = position.floor().clamp(max=last - 1)
    upper_share = position - lower
    index = lower.long()
    projected = probabilities.new_zeros(len(probabilities), len(atoms))
    projected.scatter_add_(1, index, probabilities * (1 - upper_share))
    return projected.scatter_add_(1, index + 1, probabilities * upper_share)


def quantile_levels(num: int) -> Tensor:
    """τ_i = (i - ½) / N, (num,)."""
    return (torch.arange(num, dtype=torch.float64) + 0.5).div(num).to(torch.get_default_dtype())


def quantile_huber_loss(values: Tensor, target: Tensor, levels: Tensor, kappa: float) -> Tensor:
    """Loss of quantiles given samples, (...).

    Args:
        values: θ_i, (..., num).
        target: y_j, (..., num_samples).
        levels: τ_i, (num,).
        kappa: κ > 0; errors below it count squared.
    """
    error = target[..., None, :] - values[..., :, None]
    size = error.abs()
    huber = torch.where(size <= kappa, 0.5 * error.square(), kappa * (size - 0.5 * kappa)) / kappa
    below = (error.detach() < 0).to(values.dtype)
    loss: Tensor = ((levels[:, None] - below).abs() * huber).mean(-1).sum(-1)
    return loss
