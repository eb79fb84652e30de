"""Autoguidance: the line through a weaker and a stronger model."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import Autoguidance, ClassifierFreeGuidance, Sources, guidances
from genrl.registry import ConfigurationError

F64 = torch.float64


def test_with_the_unconditional_model_it_is_classifier_free_guidance(mixture) -> None:
    def unconditional(z, t, label=None, w=None):
        return mixture.model(z, t)

    sources = Sources(model=lambda path, average: unconditional)
    guided = Autoguidance(2, sources, model="weak")(*mixture.arguments)
    plain = ClassifierFreeGuidance(2)(*mixture.arguments)
    torch.testing.assert_close(guided.x, plain.x, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(guided.eps, plain.eps, rtol=1e-13, atol=1e-13)


def test_the_weaker_model_sees_the_same_label(mixture) -> None:
    seen, opened = [], []

    def weaker(z, t, label=None, w=None):
        seen.append(label)
        return mixture.model(z, t, label)

    def model(path, average):
        opened.append((path, average))
        return weaker

    guidance = Autoguidance(2, Sources(model=model), model="weak", average="0.9")
    conditional = mixture.model(mixture.z, mixture.t, mixture.label).x
    torch.testing.assert_close(guidance(*mixture.arguments).x, conditional, rtol=1e-12, atol=1e-12)
    assert torch.equal(seen[0], mixture.label)
    assert opened == [("weak", "0.9")]


def test_of_two_gaussians_without_labels(mixture) -> None:
    """A weak model with too large a spread: guidance shrinks the spread below the strong one's."""
    zero, one = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    strong = GaussianDenoiser(mixture.schedule, zero, 0.5 * one)
    weak = GaussianDenoiser(mixture.schedule, zero, one)
    guidance = Autoguidance(0, Sources(model=lambda path, average: weak), model="weak")
    guided = guidance(strong, mixture.z, mixture.t, None, mixture.w)
    level = guided.level
    slopes = [level.alpha * s / (level.alpha**2 * s + level.sigma**2) for s in (0.25, 1.0)]
    w = mixture.w[:, None]
    expected = ((1 + w) * slopes[0] - w * slopes[1]) * mixture.z
    torch.testing.assert_close(guided.x, expected, rtol=1e-12, atol=1e-12)


def test_it_needs_a_model() -> None:
    with pytest.raises(ConfigurationError, match="needs a value for 'model'"):
        guidances.build("autoguidance", 2, Sources())
    with pytest.raises(ConfigurationError, match="nothing here can open the model 'weak'"):
        guidances.build({"name": "autoguidance", "model": "weak"}, 2, Sources())
