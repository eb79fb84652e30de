"""Adaptive projected guidance: its limits, the projection, and diffusers' implementation."""

import pytest
import torch

from genrl.diffusion.conditioning import bind
from genrl.diffusion.guidance import APGGuidance, ClassifierFreeGuidance, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.samplers import DDIMSampler
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError

SCHEDULE = CosineSchedule()
F64 = torch.float64


def test_all_of_the_difference_is_classifier_free_guidance(mixture) -> None:
    guidance = APGGuidance(2, eta=1.0, norm_threshold=0.0, momentum=0.0)
    plain = ClassifierFreeGuidance(2)(*mixture.arguments)
    for guide in (guidance, guidance.begin()):
        guided = guide(*mixture.arguments)
        torch.testing.assert_close(guided.x, plain.x, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(guided.eps, plain.eps, rtol=1e-9, atol=1e-9)


def test_eta_0_moves_at_right_angles_to_x(mixture) -> None:
    conditional = mixture.model(mixture.z, mixture.t, mixture.label).x
    unconditional = mixture.model(mixture.z, mixture.t).x
    shift = APGGuidance(2)(*mixture.arguments).x - conditional
    assert ((shift * conditional).sum(dim=1).abs() < 1e-12).all()
    along = (conditional - unconditional) * mixture.w[:, None]
    # What is left out is the projection: shift · difference = |shift|² / w.
    torch.testing.assert_close((shift * along).sum(dim=1), shift.square().sum(dim=1))


def test_the_norm_is_limited_for_each_example(mixture) -> None:
    model, z, t, label, _ = mixture.arguments
    conditional, unconditional = model(z, t, label).x, model(z, t).x
    norm = (conditional - unconditional).norm(dim=1)
    limit = norm.median().item()
    ones = torch.ones(6, dtype=F64)
    guidance = APGGuidance(2, eta=1.0, norm_threshold=limit)
    shift = guidance(model, z, t, label, ones).x - conditional
    torch.testing.assert_close(shift.norm(dim=1), norm.clamp(max=limit))
    assert (norm > limit).any()


@pytest.mark.parametrize("eta", [0.0, 0.4])
def test_agrees_with_diffusers_over_a_run(eta: float) -> None:
    theirs = pytest.importorskip("diffusers.guiders.adaptive_projected_guidance")
    generator = torch.Generator().manual_seed(1)
    pairs = torch.randn(5, 2, 3, 3, 4, 4, dtype=F64, generator=generator)
    z, label = torch.zeros(3, 3, 4, 4, dtype=F64), torch.tensor([0, 1, 1])
    t, w = torch.full((3,), 0.5, dtype=F64), torch.full((3,), 2.5, dtype=F64)
    buffer = theirs.MomentumBuffer(-0.6)
    guide = APGGuidance(2, eta=eta, norm_threshold=6.0, momentum=-0.6).begin()
    for conditional, unconditional in pairs:

        def model(z, t, label=None, w=None, both=(conditional, unconditional)) -> Prediction:
            return Prediction.from_x(torch.cat(both), z, SCHEDULE.level_like(t, z))

        expected = theirs.normalized_guidance(
            conditional, unconditional, 2.5, buffer, eta, 6.0, use_original_formulation=True
        )
        guided = guide(model, z, t, label, w)
        torch.testing.assert_close(guided.x, expected, rtol=1e-12, atol=1e-12)


def test_each_run_begins_without_momentum(mixture) -> None:
    sampler = DDIMSampler(SCHEDULE, UniformTimeGrid(SCHEDULE))
    guidance = APGGuidance(2, momentum=-0.9)

    def sample(guidance: APGGuidance) -> torch.Tensor:
        denoise = bind(mixture.model, mixture.label, 3.0, guidance)
        return sampler.sample(denoise, mixture.z, steps=8)

    first = sample(guidance)
    assert torch.equal(sample(guidance), first)
    assert not torch.allclose(sample(APGGuidance(2, momentum=0.0)), first)
    # And a distillation target has none, however often it is asked.
    target = guidance(*mixture.arguments).x
    assert torch.equal(APGGuidance(2, momentum=0.0)(*mixture.arguments).x, target)


def test_impossible_parameters_are_refused() -> None:
    for wrong in ({"norm_threshold": -1.0}, {"momentum": 1.0}):
        with pytest.raises(ConfigurationError, match="norm_threshold must not be negative"):
            guidances.build({"name": "apg", **wrong}, 2)
