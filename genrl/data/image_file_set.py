"""Examples that are decoded from image files for every batch."""

import torch
from jaxtyping import Int
from torch import Tensor

from genrl.data.augmentations import random_flips
from genrl.data.base import ExampleBatch, ExampleSet
from genrl.data.image_listing import ImageListing
from genrl.data.image_reader import ImageReader
from genrl.data.tensor_set import images_from_bytes
from genrl.diffusion.noise import Generators
from genrl.typing import Labels


class ImageFileSet(ExampleSet):
    """Images that stay on disk; a broken file is found, and named, by the batch that needs it.

    Args:
        listing: the files.
        reader: decodes them.
        flip: whether images are mirrored at random.
        num_threads: that decode a batch.
        fingerprint: of files and reader.
    """

    is_lazy = True

    def __init__(
        self,
        listing: ImageListing,
        reader: ImageReader,
        *,
        flip: bool,
        num_threads: int,
        fingerprint: str,
    ) -> None:
        self._listing = listing
        self._reader = reader
        self._num_threads = num_threads
        self._fingerprint = fingerprint
        self.is_augmented = flip

    def __len__(self) -> int:
        return len(self._listing)

    @property
    def labels(self) -> Labels | None:
        return self._listing.labels

    def batch(self, indices: Int[Tensor, " batch"], generators: Generators = None) -> ExampleBatch:
        paths = [self._listing.paths[index] for index in indices.tolist()]
        pixels = self._reader.read_all(paths, num_threads=self._num_threads)
        rows = torch.from_numpy(pixels)
        if self.is_augmented:
            rows = random_flips(rows, generators)
        labels = None if self.labels is None else self.labels[indices]
        return ExampleBatch(images_from_bytes(rows), labels)

    def fingerprint(self) -> str:
        return self._fingerprint
