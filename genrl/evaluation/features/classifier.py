"""A classifier of any labelled images, trained on the run's own data: a feature for what Inception
never saw."""

from pathlib import Path

from genrl.evaluation.features.base import Feature, FeatureOutput, features
from genrl.evaluation.features.fitted import FittedClassifier
from genrl.evaluation.features.network import seeded_classifier
from genrl.evaluation.features.training import Recipe
from genrl.typing import Data, DataSpec, Labels


@features.register("classifier")
class ClassifierFeature(Feature):
    """Convolutional classifier trained on the data; the embedding is its last hidden layer.

    Fréchet distances are comparable between runs that share data, seed and parameters.

    Args:
        updates: of its training; they bound its time.
        batch_size: of its training.
        learning_rate: its peak.
        widths: channels at each resolution; every one after the first halves it.
        embedding: size of the last hidden layer.
        max_shift: pixels by which training images move at random.
        use_flips: whether training images are mirrored at random; not for letters or digits.
        seed: of its training; global random state is not touched.

    Raises:
        ValueError: for data that are not labelled images.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        updates: int = 600,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        widths: tuple[int, ...] = (16, 32, 64),
        embedding: int = 128,
        max_shift: int = 2,
        use_flips: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(spec)
        if len(spec.shape) != 3 or spec.num_classes < 2:
            raise ValueError(
                f"it is for labelled images; data of shape {spec.shape} with {spec.num_classes} "
                "classes need another one: feature=inception for RGB images, feature=identity for "
                "points"
            )
        if not widths or min(widths) < 1 or embedding < 1:
            raise ValueError("widths needs at least one number; widths and embedding are positive")
        network = seeded_classifier(spec.shape[0], spec.num_classes, widths, embedding, seed)
        recipe = Recipe(
            updates,
            batch_size,
            learning_rate,
            max_shift=max_shift,
            use_flips=use_flips,
            seed=seed,
        )
        self._classifier = FittedClassifier("classifier", network, recipe)

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
