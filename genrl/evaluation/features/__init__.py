"""Features, one per file: the space in which samples and data are compared."""

from genrl.evaluation.features.base import Feature, FeatureOutput, features
from genrl.evaluation.features.classifier import ClassifierFeature
from genrl.evaluation.features.digits import DigitsFeature
from genrl.evaluation.features.identity import IdentityFeature
from genrl.evaluation.features.inception import InceptionFeature

__all__ = [
    "ClassifierFeature",
    "DigitsFeature",
    "Feature",
    "FeatureOutput",
    "IdentityFeature",
    "InceptionFeature",
    "features",
]
