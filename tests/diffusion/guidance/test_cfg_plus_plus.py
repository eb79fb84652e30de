"""CFG++: the paper's update in closed form, and the student that stands for it."""

import pytest
import torch

from genrl.diffusion.conditioning import bind
from genrl.diffusion.guidance import CfgPlusPlusGuidance, ClassifierFreeGuidance, guidances
from genrl.diffusion.samplers import DDIMSampler
from genrl.diffusion.thresholding import StaticThresholding
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError

F64 = torch.float64


def by_hand(mixture, times, strength: float, limit: float | None = None) -> torch.Tensor:
    """Algorithm 2: x from the interpolated noise, then the unconditional noise again."""
    schedule, z = mixture.schedule, mixture.z * mixture.schedule.level(times[0]).sigma
    for index in range(len(times) - 1):
        t = times[index].expand(6)
        here, there = schedule.level(times[index]), schedule.level(times[index + 1])
        conditional = mixture.model(z, t, mixture.label).eps
        unconditional = mixture.model(z, t).eps
        mixed = unconditional + strength * (conditional - unconditional)
        x = (z - here.sigma * mixed) / here.alpha
        x = x if limit is None else x.clamp(-limit, limit)
        z = there.alpha * x + there.sigma * unconditional
    return x


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_ddim_is_algorithm_2(strength: float, mixture) -> None:
    grid = UniformTimeGrid(mixture.schedule)
    sampler = DDIMSampler(mixture.schedule, grid)
    denoise = bind(mixture.model, mixture.label, strength, CfgPlusPlusGuidance(2))
    x = sampler.sample(denoise, mixture.z, steps=20)
    expected = by_hand(mixture, grid.times(20), strength)
    torch.testing.assert_close(x, expected, rtol=1e-7, atol=1e-7)


def test_0_is_the_unconditional_model(mixture) -> None:
    sampler = DDIMSampler(mixture.schedule, UniformTimeGrid(mixture.schedule))
    denoise = bind(mixture.model, mixture.label, 0.0, CfgPlusPlusGuidance(2))
    x = sampler.sample(denoise, mixture.z, steps=20)
    plain = sampler.sample(bind(mixture.model), mixture.z, steps=20)
    torch.testing.assert_close(x, plain, rtol=1e-9, atol=1e-9)


def test_thresholding_keeps_the_unconditional_noise(mixture) -> None:
    grid = UniformTimeGrid(mixture.schedule)
    denoise = bind(
        mixture.model, mixture.label, 0.8, CfgPlusPlusGuidance(2), thresholding=StaticThresholding()
    )
    x = DDIMSampler(mixture.schedule, grid).sample(denoise, mixture.z, steps=12)
    expected = by_hand(mixture, grid.times(12), 0.8, limit=1.0)
    assert (expected.abs() == 1).any()
    torch.testing.assert_close(x, expected, rtol=1e-7, atol=1e-7)


def test_a_student_takes_the_steps_of_cfg_plus_plus_on_its_grid(mixture) -> None:
    """With equal steps h in λ, plain DDIM steps by the distilled target are the paper's."""
    times = mixture.schedule.time(torch.linspace(-8, 8, 17, dtype=F64))
    guidance, w = CfgPlusPlusGuidance(2, log_snr_step=1.0), 0.7
    teacher, student = mixture.z, mixture.z
    ordered = [mixture.schedule.level(t) for t in times]
    for here, there, t in zip(ordered[:-1], ordered[1:], times[:-1], strict=True):
        arguments = (t.expand(6), mixture.label, torch.full((6,), w, dtype=F64))
        guided = guidance.begin()(mixture.model, teacher, *arguments)
        assert guided.is_renoised
        teacher = there.alpha * guided.x + there.sigma * guided.eps
        target = guidance(mixture.model, student, *arguments)
        student = there.alpha * target.x + there.sigma * target.eps
        torch.testing.assert_close(student, teacher, rtol=1e-9, atol=1e-9)
        assert here.log_snr < there.log_snr


def test_it_is_guidance_with_a_scale_that_depends_on_the_step(mixture) -> None:
    model, z, t, label, w = mixture.arguments
    target = CfgPlusPlusGuidance(2, log_snr_step=2.0)(model, z, t, label, w)
    scale = w / (1 - torch.exp(torch.tensor(-1.0, dtype=F64)))
    plain = ClassifierFreeGuidance(2)(model, z, t, label, scale - 1)
    torch.testing.assert_close(target.x, plain.x, rtol=1e-12, atol=1e-12)


def test_impossible_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="log_snr_step must be positive"):
        guidances.build({"name": "cfg_plus_plus", "log_snr_step": 0.0}, 2)
