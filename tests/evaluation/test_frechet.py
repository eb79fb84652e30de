import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from genrl.evaluation import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_from_statistics,
)


def rotation(dims: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dims, dims, generator=generator, dtype=torch.float64)).Q


def features(n: int, dims: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dims, dims, generator=generator, dtype=torch.float64)
    x = torch.randn(n, dims, generator=generator, dtype=torch.float64)
    return x @ mixing + torch.randn(dims, generator=generator, dtype=torch.float64)


def by_sqrtm(a: Tensor, b: Tensor) -> float:
    cov_a, cov_b = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    root = np.real(scipy.linalg.sqrtm(cov_a @ cov_b))
    shift = a.numpy().mean(0) - b.numpy().mean(0)
    return float(shift @ shift + np.trace(cov_a + cov_b - 2 * root))


@pytest.mark.parametrize("turn", [torch.eye(4, dtype=torch.float64), rotation(4, 0)])
def test_closed_form_of_commuting_covariances(turn: Tensor) -> None:
    """Σ = Q diag(s²) Qᵀ on both sides: d² = |Δμ|² + Σ (s_a - s_b)²."""
    s_a = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    s_b = torch.tensor([2.0, 2.0, 0.1, 1.0], dtype=torch.float64)
    mean = torch.arange(4, dtype=torch.float64)
    a = FeatureStatistics.from_covariance(mean, turn @ torch.diag(s_a**2) @ turn.T)
    b = FeatureStatistics.from_covariance(mean + 0.5, turn @ torch.diag(s_b**2) @ turn.T)
    expected = 4 * 0.25 + (s_a - s_b).square().sum().item()
    assert frechet_from_statistics(a, b) == pytest.approx(expected, rel=1e-13)


def test_covariances_that_do_not_commute() -> None:
    """In two dimensions tr √(AB) = √(tr AB + 2 √det AB)."""
    turn = rotation(2, 3)
    a = torch.diag(torch.tensor([4.0, 1.0], dtype=torch.float64))
    b = turn @ torch.diag(torch.tensor([9.0, 0.25], dtype=torch.float64)) @ turn.T
    assert (a @ b - b @ a).abs().max() > 1
    product = a @ b
    root = torch.sqrt(product.trace() + 2 * torch.linalg.det(product).sqrt())
    zero = torch.zeros(2, dtype=torch.float64)
    found = frechet_from_statistics(
        FeatureStatistics.from_covariance(zero, a), FeatureStatistics.from_covariance(zero, b)
    )
    assert found == pytest.approx((a.trace() + b.trace() - 2 * root).item(), rel=1e-12)


def test_agrees_with_scipy() -> None:
    a, b = features(300, 20, 0), features(200, 20, 1)
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-10)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)


def test_agrees_with_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    a, b = features(100, 12, 2), features(90, 12, 3)
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False
    )
    (value,) = theirs.values()
    assert frechet_distance(a, b) == pytest.approx(float(value), rel=1e-9)


def test_fewer_examples_than_features() -> None:
    """Rank 5 in 50 dimensions; the distance is that within the 10-dimensional span of both."""
    a, b = features(6, 50, 4), features(6, 50, 5)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10 * a.var(dim=0).sum().item())
    span = torch.linalg.qr(torch.cat([a - a.mean(0), b - b.mean(0)]).T).Q
    cov = [feature_statistics(x).covariance for x in (a, b)]
    small = [span.T @ c @ span for c in cov]
    eigenvalues = torch.linalg.eigvals(small[0] @ small[1]).real.clamp(min=0)
    expected = (
        (a.mean(0) - b.mean(0)).square().sum()
        + cov[0].trace()
        + cov[1].trace()
        - 2 * eigenvalues.sqrt().sum()
    )
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-6)


def test_orthogonal_supports_have_no_overlap() -> None:
    """Σ_a Σ_b = 0: nothing of the root remains, to full precision and not to 1e-8."""
    a = torch.zeros(40, dtype=torch.float64)
    b = torch.zeros(40, dtype=torch.float64)
    a[:20], b[20:] = 4.0, 9.0
    turn = rotation(40, 6)
    zero = torch.zeros(40, dtype=torch.float64)
    found = frechet_from_statistics(
        FeatureStatistics.from_covariance(zero, turn @ torch.diag(a) @ turn.T),
        FeatureStatistics.from_covariance(zero, turn @ torch.diag(b) @ turn.T),
    )
    assert found == pytest.approx(20 * 13, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_of_a_set_with_itself_is_zero_and_never_negative(scale: float) -> None:
    for seed in range(5):
        a = scale * features(30, 40, seed)
        assert 0 <= frechet_distance(a, a) < 1e-10 * a.var(dim=0).sum()


def test_constant_features() -> None:
    a = torch.full((5, 3), 2.0)
    assert frechet_distance(a, a) == 0
    assert frechet_distance(a, a + 1) == pytest.approx(3)


def test_float32_features_are_computed_in_float64() -> None:
    a = features(500, 8, 0).float() + 1000
    b = features(500, 8, 1).float() + 1000
    assert frechet_distance(a, b) == pytest.approx(
        frechet_distance(a.double(), b.double()), rel=1e-14
    )


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="at least two examples"):
        feature_statistics(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="not finite"):
        feature_statistics(torch.tensor([[0.0], [float("nan")]]))
    with pytest.raises(ValueError, match="features of 3 and of 4 dimensions"):
        frechet_distance(torch.randn(5, 3), torch.randn(5, 4))


def test_fewer_examples_than_dimensions() -> None:
    """The covariances are never formed; scipy forms them."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 300, generator=generator, dtype=torch.float64) for n in (40, 70))
    b = 0.5 * b + 0.3
    cov = [np.cov(x.numpy(), rowvar=False) for x in (a, b)]
    # tr (Σ_a Σ_b)^½ from the eigenvalues of the product, most of them zero.
    values = np.linalg.eigvals(cov[0] @ cov[1]).real.clip(min=0)
    overlap = np.sqrt(np.sort(values)[-39:]).sum()
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    expected = shift + np.trace(cov[0]) + np.trace(cov[1]) - 2 * overlap
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert feature_statistics(a).factor.shape == (300, 40)
