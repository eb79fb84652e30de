"""Rescaled guidance: its two ends, the line between them, and diffusers' function."""

import pytest
import torch

from genrl.diffusion.guidance import CfgRescaleGuidance, ClassifierFreeGuidance, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.registry import ConfigurationError

SCHEDULE = CosineSchedule()
GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(2, 4, 3, 5, 5, dtype=torch.float64, generator=GENERATOR) + 0.3
Z = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=GENERATOR)
T = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)
LABEL = torch.tensor([0, 1, 0, 1])
W = torch.tensor([0.0, 1.0, 4.0, 9.0], dtype=torch.float64)


def model(z, t, label=None, w=None) -> Prediction:
    """Conditional and unconditional images of which nothing else is known."""
    x = torch.cat([X[0], X[1]])[: len(z)]
    return Prediction.from_x(x, z, SCHEDULE.level_like(t, z))


def test_phi_0_is_plain_guidance() -> None:
    guided = CfgRescaleGuidance(2, phi=0.0)(model, Z, T, LABEL, W)
    plain = ClassifierFreeGuidance(2)(model, Z, T, LABEL, W)
    assert torch.equal(guided.x, plain.x)
    assert torch.equal(guided.eps, plain.eps)


def test_phi_1_has_the_standard_deviation_of_the_conditional_x() -> None:
    guided = CfgRescaleGuidance(2, phi=1.0)(model, Z, T, LABEL, W)
    plain = ClassifierFreeGuidance(2)(model, Z, T, LABEL, W)
    torch.testing.assert_close(guided.x.flatten(1).std(dim=1), X[0].flatten(1).std(dim=1))
    # And is the guided x but for a factor.
    ratio = (guided.x / plain.x).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


@pytest.mark.parametrize("phi", [0.3, 0.7])
def test_agrees_with_diffusers(phi: float) -> None:
    utilities = pytest.importorskip("diffusers.guiders.guider_utils")
    plain = ClassifierFreeGuidance(2)(model, Z, T, LABEL, W)
    expected = utilities.rescale_noise_cfg(plain.x, X[0], phi)
    guided = CfgRescaleGuidance(2, phi=phi)(model, Z, T, LABEL, W)
    torch.testing.assert_close(guided.x, expected, rtol=1e-12, atol=1e-12)


def test_an_x_without_contrast_stays_as_it_is() -> None:
    def flat(z, t, label=None, w=None) -> Prediction:
        return Prediction.from_x(torch.full_like(z, 0.5), z, SCHEDULE.level_like(t, z))

    guided = CfgRescaleGuidance(2, phi=1.0)(flat, Z, T, LABEL, W)
    torch.testing.assert_close(guided.x, torch.full_like(Z, 0.5))


def test_impossible_phi_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"phi must be in \[0, 1\]"):
        guidances.build({"name": "cfg_rescale", "phi": 1.1}, 2)
