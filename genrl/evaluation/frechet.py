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
        factor: F with F Fᵀ = Σ; it has as many columns as are needed, of examples or dimensions the
            fewer.
    """

    mean: Float64[Tensor, " dims"]
    factor: Float64[Tensor, "dims rank"]

    @classmethod
    def from_covariance(
        cls, mean: Float64[Tensor, " dims"], covariance: Float64[Tensor, "dims dims"]
    ) -> "FeatureStatistics":
        """From a symmetric covariance; F leaves out its null space, but for one column."""
        values, vectors = torch.linalg.eigh(covariance)
        floor = values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
        kept = values > floor
        kept[-1] = True
        return cls(mean, vectors[:, kept] * values[kept].clamp(min=0).sqrt())

    @property
    def covariance(self) -> Float64[Tensor, "dims dims"]:
        """Σ, unbiased (divided by the number of examples less one)."""
        return self.factor @ self.factor.T


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
    centred = (features - mean) / (len(features) - 1) ** 0.5
    if len(features) <= features.shape[1]:
        # Fewer examples than dimensions: they are a factor themselves, Σ need never be formed.
        return FeatureStatistics(mean, centred.T)
    return FeatureStatistics.from_covariance(mean, centred.T @ centred)


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
    overlap = torch.linalg.svdvals(a.factor.T @ b.factor).sum()
    spread = a.factor.square().sum() + b.factor.square().sum() - 2 * overlap
    shift = (a.mean - b.mean).square().sum()
    return max(0.0, float(shift + spread))


def frechet_distance(a: Float[Tensor, "examples dims"], b: Float[Tensor, "others dims"]) -> float:
    """The squared distance d² between two sets of features."""
    return frechet_from_statistics(feature_statistics(a), feature_statistics(b))
