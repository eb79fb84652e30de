"""Dynamic thresholding: the identities of its definition, and what it is for."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.conditioning import bind
from genrl.diffusion.guidance import ClassifierFreeGuidance
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import DDIMSampler
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.thresholding import DynamicThresholding, StaticThresholding
from genrl.diffusion.time_grids import UniformTimeGrid

F64 = torch.float64


def images(scale: float, dtype: torch.dtype = F64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(4, 3, 8, 8, dtype=F64, generator=generator).to(dtype)


@pytest.mark.parametrize("quantile", [0.3, 0.9, 0.995, 1.0])
def test_against_torch_quantile(quantile: float) -> None:
    x = images(3.0)
    s = torch.quantile(x.abs().flatten(1), quantile, dim=1).clamp(min=1)[:, None, None, None]
    expected = torch.minimum(torch.maximum(x, -s), s) / s
    torch.testing.assert_close(
        DynamicThresholding(quantile=quantile).limit(x), expected, rtol=1e-13, atol=0
    )


def test_equals_static_within_the_range() -> None:
    x = images(1.0).clamp(-1, 1)
    assert torch.equal(DynamicThresholding().limit(x), StaticThresholding().limit(x))
    small = 0.1 * x
    assert torch.equal(DynamicThresholding().limit(small), small)


def test_idempotent_and_bounded() -> None:
    limited = DynamicThresholding().limit(images(5.0))
    assert limited.abs().max() <= 1
    assert torch.equal(DynamicThresholding().limit(limited), limited)


def test_positions_do_not_matter_and_examples_do_not_mix() -> None:
    x, limit = images(3.0), DynamicThresholding(quantile=0.9).limit
    order = torch.randperm(192, generator=torch.Generator().manual_seed(1))
    shuffled = x.flatten(1)[:, order].reshape(x.shape)
    assert torch.equal(limit(shuffled).flatten(1), limit(x).flatten(1)[:, order])
    changed = x.clone()
    changed[1] *= 10
    kept = [0, 2, 3]
    assert torch.equal(limit(changed)[kept], limit(x)[kept])
    assert not torch.equal(limit(changed)[1], limit(x)[1])


def test_constant_of_three_becomes_one() -> None:
    x = torch.full((2, 1, 4, 4), 3.0)
    x[1] = -3.0
    assert torch.equal(DynamicThresholding().limit(x), x / 3)


def test_large_inputs_and_low_precision() -> None:
    """torch.quantile refuses 16 million numbers and half precision."""
    large = torch.linspace(-4, 4, 16_800_000).reshape(1, -1)
    assert DynamicThresholding(quantile=0.5).limit(large)[0, 0] == -1
    assert DynamicThresholding(quantile=0.5).limit(large)[0, 10_500_000].item() == pytest.approx(
        0.5, abs=1e-5
    )
    half = images(3.0, torch.bfloat16)
    limited = DynamicThresholding().limit(half)
    assert limited.dtype == torch.bfloat16
    torch.testing.assert_close(
        limited.double(), DynamicThresholding().limit(half.double()), rtol=4e-3, atol=0
    )


def test_eps_follows_x() -> None:
    schedule = CosineSchedule()
    z, t = images(1.0), torch.tensor([0.1, 0.4, 0.7, 0.95], dtype=F64)
    level = schedule.level_like(t, z)
    prediction = DynamicThresholding()(Prediction.from_x(images(4.0), z, level), z)
    assert prediction.x.abs().max() <= 1
    torch.testing.assert_close(
        level.alpha * prediction.x + level.sigma * prediction.eps, z, rtol=0, atol=1e-12
    )


def test_saturates_less_than_static_at_large_guidance() -> None:
    """w = 8 on a mixture inside [-1, 1]: static clipping leaves more numbers at the ends."""
    schedule = CosineSchedule()
    generator = torch.Generator().manual_seed(0)
    means = 0.8 * torch.rand(6, 64, dtype=F64, generator=generator) - 0.4
    model = GaussianMixtureDenoiser(
        schedule, means, torch.tensor(0.25, dtype=F64), labels=torch.arange(6) // 2
    )
    sampler = DDIMSampler(schedule, UniformTimeGrid(schedule), steps=32)
    noise = torch.randn(30, 64, dtype=F64, generator=generator)
    fractions = {}
    for thresholding in (StaticThresholding(), DynamicThresholding(quantile=0.9)):
        label = torch.arange(30) % 3
        denoise = bind(model, label, 8.0, ClassifierFreeGuidance(3), thresholding)
        x = sampler.sample(denoise, noise)
        fractions[type(thresholding)] = (x.abs() >= 0.999).double().mean().item()
    assert fractions[DynamicThresholding] < 0.8 * fractions[StaticThresholding]


@pytest.mark.parametrize("quantile", [0.0, -0.1, 1.1])
def test_refuses_what_is_no_quantile(quantile: float) -> None:
    with pytest.raises(ValueError, match=r"quantile must be in \(0, 1\]"):
        DynamicThresholding(quantile=quantile)
