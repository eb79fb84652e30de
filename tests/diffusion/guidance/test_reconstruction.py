"""Reconstruction guidance on a correlated Gaussian, whose conditional mean is known."""

import pytest
import torch
from torch import Tensor

from genrl.diffusion.conditioning import bind
from genrl.diffusion.guidance import ReconstructionGuidance, Sources, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import AncestralSampler, DDIMSampler
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError

F64 = torch.float64
SCHEDULE = CosineSchedule()
MEAN = torch.tensor([0.4, -0.3, 0.1], dtype=F64)
COVARIANCE = torch.tensor([[0.5, 0.3, -0.2], [0.3, 0.6, 0.1], [-0.2, 0.1, 0.4]], dtype=F64)
VALUES = torch.tensor([1.1, 9.0, 9.0], dtype=F64)  # of the first number alone
MASK = torch.tensor([1.0, 0.0, 0.0])


def gain(alpha: Tensor, sigma: Tensor) -> Tensor:
    """dx̂/dz = α S (α² S + σ²)⁻¹ of each example."""
    spread = alpha[:, :, None] ** 2 * COVARIANCE + sigma[:, :, None] ** 2 * torch.eye(3, dtype=F64)
    return alpha[:, :, None] * COVARIANCE @ torch.linalg.inv(spread)


def gaussian(z, t, label=None, w=None) -> Prediction:
    """E[x | z] for x ~ N(m, S)."""
    level = SCHEDULE.level_like(t, z)
    deviation = (z - level.alpha * MEAN)[:, :, None]
    x = MEAN + (gain(level.alpha, level.sigma) @ deviation)[:, :, 0]
    return Prediction.from_x(x, z, level)


def completion(values: Tensor = VALUES, mask: Tensor = MASK) -> ReconstructionGuidance:
    arrays = {"values": values, "mask": mask}
    return ReconstructionGuidance(
        0, Sources(array=arrays.__getitem__), values="values", mask="mask"
    )


Z = torch.randn(5, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
T = torch.linspace(0.1, 0.9, 5, dtype=F64)


def test_prediction_by_hand() -> None:
    """The known part is its value; the rest moves by w α Jᵀ (x_a - x̂_a), the gradient in z_b."""
    w = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0], dtype=F64)
    plain = gaussian(Z, T)
    with torch.no_grad():
        guided = completion()(gaussian, Z, T, None, w)
    jacobian = gain(plain.level.alpha, plain.level.sigma)[:, 0, 1:]
    missing = VALUES[0] - plain.x[:, :1]
    assert torch.equal(guided.x[:, 0], torch.full((5,), 1.1, dtype=F64))
    expected = plain.x[:, 1:] + w[:, None] * plain.level.alpha * jacobian * missing
    torch.testing.assert_close(guided.x[:, 1:], expected, rtol=1e-10, atol=1e-10)


def test_w_1_is_the_conditional_mean_to_first_order_in_the_noise() -> None:
    """Of E[x_b | z, x_a] - E[x_b | z] an error of order σ²/α² is left, and of nothing without."""
    shares = []
    for log_snr in (8.0, 10.0):
        t = SCHEDULE.time(torch.full((5,), log_snr, dtype=F64))
        level = SCHEDULE.level_like(t, Z)
        x = MEAN + Z @ torch.linalg.cholesky(COVARIANCE).T
        z = level.alpha * x + level.sigma * Z.flip(0)
        plain = gaussian(z, t)
        guided = completion()(gaussian, z, t, None, torch.ones(5, dtype=F64))
        exact = conditional_mean(z, level.alpha, level.sigma)
        error = (guided.x[:, 1:] - exact).norm()
        shares.append((error / (plain.x[:, 1:] - exact).norm()).item())
    assert shares[0] < 2e-3
    assert shares[1] / shares[0] == pytest.approx(torch.tensor(-2.0).exp().item(), rel=0.05)


def conditional_mean(z: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """E[x_b | z, x_a]: x_b given x_a is a Gaussian, which z_b then tells more of."""
    cross = COVARIANCE[1:, 0] / COVARIANCE[0, 0]
    mean = MEAN[1:] + cross * (VALUES[0] - MEAN[0])
    spread = COVARIANCE[1:, 1:] - torch.outer(cross, COVARIANCE[0, 1:])
    a, s = alpha[:, :, None], sigma[:, :, None]
    weight = a * spread @ torch.linalg.inv(a**2 * spread + s**2 * torch.eye(2, dtype=F64))
    return mean + (weight @ (z[:, 1:] - alpha * mean)[:, :, None])[:, :, 0]


def test_samples_are_nearer_to_the_conditional_than_by_replacement() -> None:
    """The mean of 4000 samples at 64 ancestral steps: w = 0 is replacement alone."""
    mean = conditional_mean(torch.zeros(1, 3, dtype=F64), *torch.tensor([[[0.0]], [[1.0]]]).to(F64))
    sampler = AncestralSampler(SCHEDULE, UniformTimeGrid(SCHEDULE))
    errors = []
    for w in (0.0, 1.0):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(4000, 3, dtype=F64, generator=generator)
        denoise = bind(gaussian, None, w, completion())
        x = sampler.sample(denoise, noise, steps=64, generator=generator)
        assert torch.equal(x[:, 0], torch.full((4000,), 1.1, dtype=F64))
        errors.append((x[:, 1:].mean(dim=0) - mean[0]).norm().item())
    assert errors[1] < 0.7 * errors[0]


def test_the_known_part_stays_a_sample_of_its_noisy_self() -> None:
    """z_a = α x_a + σ ε with the same ε all along a deterministic run."""
    noise = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    sampler = DDIMSampler(SCHEDULE, UniformTimeGrid(SCHEDULE))
    run = sampler.trajectory(bind(gaussian, None, 1.0, completion()), noise, steps=16)
    for t, z in zip(run.times, run.z, strict=True):
        level = SCHEDULE.level(torch.tensor(t, dtype=F64))
        expected = level.alpha * VALUES[0] + level.sigma * noise[:, 0]
        torch.testing.assert_close(z[:, 0], expected, rtol=0, atol=2e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"mask mask of shape \(2,\) does not fit"):
        completion(mask=torch.ones(2))
    with pytest.raises(ConfigurationError, match="says that nothing is known"):
        completion(mask=torch.zeros(3))
    with pytest.raises(ConfigurationError, match="says that everything is known"):
        completion(mask=torch.ones(1))
    with pytest.raises(ConfigurationError, match=r"values have shape \(3,\), but .* has \(2,\)"):
        completion()(gaussian, Z[:, :2], T, None, torch.ones(5, dtype=F64))
    config = {"name": "reconstruction", "values": "a", "mask": "b"}
    with pytest.raises(ConfigurationError, match="nothing here can open the array"):
        guidances.build(config, 0, Sources())
