"""Classifier guidance: with the exact classifier it is classifier-free guidance."""

import pytest
import torch

from genrl.diffusion.guidance import (
    ClassifierFreeGuidance,
    ClassifierGuidance,
    ClassifierTraining,
    Sources,
    guidances,
)
from genrl.registry import ConfigurationError


def test_the_exact_classifier_gives_classifier_free_guidance(mixture) -> None:
    guidance = ClassifierGuidance(2, Sources(classifier=lambda training: mixture.logits))
    with torch.no_grad():
        guided = guidance(*mixture.arguments)
    plain = ClassifierFreeGuidance(2)(*mixture.arguments)
    torch.testing.assert_close(guided.x, plain.x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(guided.eps, plain.eps, rtol=1e-8, atol=1e-8)
    conditional = mixture.model(mixture.z, mixture.t, mixture.label).x
    assert (guided.x - conditional)[1:].abs().max() > 0.1


def test_the_null_class_is_left_alone(mixture) -> None:
    guidance = ClassifierGuidance(2, Sources(classifier=lambda training: mixture.logits))
    model, z, t, label, w = mixture.arguments
    label = label.clone()
    label[4] = 2
    guided, plain = guidance(model, z, t, label, w), ClassifierFreeGuidance(2)
    assert torch.equal(guided.x[4], model(z, t).x[4])
    torch.testing.assert_close(guided.x[5], plain(model, z, t, label, w).x[5])


def test_the_classifier_is_trained_as_the_config_says(mixture) -> None:
    asked = []
    sources = Sources(classifier=lambda training: asked.append(training) or mixture.logits)
    guidances.build({"name": "classifier", "updates": 7, "seed": 3}, 2, sources)
    assert asked == [ClassifierTraining(7, 128, 1e-3, 3)]
    with pytest.raises(ConfigurationError, match="there is no classifier of noisy data"):
        guidances.build("classifier", 2, Sources())
