"""Scikit-learn's handwritten digits: real images that need no download.

1,797 grey images of 8x8 pixels with values 0..16, ten classes; the test set of the UCI set "Optical
Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998).
"""

import torch

from genrl.data.base import DataSource, data_sources
from genrl.data.splits import stratified_split
from genrl.data.tensor_set import TensorSet
from genrl.typing import DataSpec


@data_sources.register("digits")
class DigitsSource(DataSource):
    """1,797 real handwritten digits of 8x8 grey pixels, inside scikit-learn; x = value / 8 - 1.

    Args:
        held_out_fraction: part of each class that is held out, in [0, 1); the choice is fixed.

    Raises:
        ValueError: if ``held_out_fraction`` is out of range.
    """

    default_feature = "digits"

    def __init__(self, *, held_out_fraction: float = 0.2) -> None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = torch.from_numpy(digits.images).float().unsqueeze(1) / 8 - 1
        labels = torch.from_numpy(digits.target).long()
        train, held_out = stratified_split(labels, held_out_fraction)
        self.spec = DataSpec((1, 8, 8), 10, num_levels=17)
        self.class_names = tuple(str(name) for name in digits.target_names)
        self._train = TensorSet(images[train], labels[train])
        self._held_out = TensorSet(images[held_out], labels[held_out]) if len(held_out) else None

    def train(self) -> TensorSet:
        return self._train

    def held_out(self) -> TensorSet | None:
        return self._held_out
