"""A classifier of 8x8 grey digits, trained in seconds: a feature without any download."""

from pathlib import Path

from genrl.evaluation.features.base import Feature, FeatureOutput, features
from genrl.evaluation.features.fitted import FittedClassifier
from genrl.evaluation.features.network import seeded_classifier
from genrl.evaluation.features.training import Recipe
from genrl.typing import Data, DataSpec, Labels

_SHAPE = (1, 8, 8)


@features.register("digits")
class DigitsFeature(Feature):
    """Small convolutional classifier of 8x8 digits; the embedding is its last hidden layer (64).

    Args:
        updates: of its training (batches of 128).
        seed: of its training; global random state is not touched.

    Raises:
        ValueError: for data that are not labelled 8x8 grey images.
    """

    def __init__(self, spec: DataSpec, *, updates: int = 300, seed: int = 0) -> None:
        super().__init__(spec)
        if spec.shape != _SHAPE or spec.num_classes < 2:
            raise ValueError(
                f"it is for labelled images of shape {_SHAPE}; data of shape {spec.shape} with "
                f"{spec.num_classes} classes need another one: feature=classifier for labelled "
                "images, feature=inception for RGB images, feature=identity for points"
            )
        network = seeded_classifier(1, spec.num_classes, (32, 64), 64, seed)
        self._classifier = FittedClassifier(
            "digits", network, Recipe(updates, max_shift=1, seed=seed)
        )

    def fit(
        self,
        train_x: Data,
        train_label: Labels | None,
        held_out_x: Data,
        held_out_label: Labels | None,
        cache: Path | None,
    ) -> None:
        self.held_out_accuracy = self._classifier.fit(
            train_x, train_label, held_out_x, held_out_label, cache, self.device
        )

    def compute(self, x: Data) -> FeatureOutput:
        return self._classifier.output(x)
