"""Fréchet distance between two sets of features, each taken for a Gaussian.

d² = |μ_a - μ_b|² + tr Σ_a + tr Σ_b - 2 tr (Σ_a Σ_b)^½

With Σ_a = F_a F_aᵀ and Σ_b = F_b F_bᵀ the last trace is the nuclear norm of F_aᵀ F_b. The factors
come from symmetric eigen-decompositions without the null space, so that covariances of fewer
examples than features lose no digits: a square root of the product would turn rounding errors of
1e-16 into 1e-8 for every empty direction. Everything in float64. With Inception features this is
FID (Heusel et al. 2017).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor


@dataclass(frozen=True)
class FeatureStatistics:
    """The Gaussian of a set of features.

    Args:
        mean: of the features.
        covariance: unbiased (divided by the number of examples less one).
    """

    mean: Float64[Tensor, " dims"]
    covariance: Float64[Tensor, "dims dims"]


def feature_statistics(features: Float[Tensor, "examples dims"]) -> FeatureStatistics:
    """Mean and unbiased covariance in float64.

    Raises:
        ValueError: if there are fewer than two examples, or a feature is not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"a covariance needs features of at least two examples, (examples, dims), "
            f"not {tuple(features.shape)}"
        )
    features = features.double()
    if not features.isfinite().all():
        raise ValueError("the features hold values that are not finite; were the samples finite?")
    mean = features.mean(dim=0)
    centred = features - mean
    return FeatureStatistics(mean, centred.T @ centred / (len(features) - 1))


def frechet_from_statistics(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """The squared distance d², at least 0.

    Raises:
        ValueError: if the two have different numbers of features.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"features of {len(a.mean)} and of {len(b.mean)} dimensions cannot be compared; "
            "compute both with the same feature"
        )
    overlap = torch.linalg.svdvals(_factor(a.covariance).T @ _factor(b.covariance)).sum()
    spread = a.covariance.trace() + b.covariance.trace() - 2 * overlap
    shift = (a.mean - b.mean).square().sum()
    return max(0.0, float(shift + spread))


def frechet_distance(a: Float[Tensor, "examples dims"], b: Float[Tensor, "others dims"]) -> float:
    """The squared distance d² between two sets of features."""
    return frechet_from_statistics(feature_statistics(a), feature_statistics(b))


def _factor(covariance: Float64[Tensor, "dims dims"]) -> Float64[Tensor, "dims rank"]:
    """F with F Fᵀ = covariance, of as many columns as its numerical rank (at least one)."""
    values, vectors = torch.linalg.eigh(covariance)
    floor = values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    kept = values > floor
    kept[-1] = True
    factor: Tensor = vectors[:, kept] * values[kept].clamp(min=0).sqrt()
    return factor
