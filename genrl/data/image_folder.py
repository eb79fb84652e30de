"""A folder of images of any size, one subfolder for each class, or none for images without labels.

Decoded images are kept in memory as bytes (50,000 images of 32x32 take 154 MB and some seconds), or
read again for every batch where they do not fit.
"""

from pathlib import Path
from typing import Literal

import torch

from genrl.data.base import DataSource, ExampleSet, data_sources
from genrl.data.image_file_set import ImageFileSet
from genrl.data.image_listing import ImageListing, list_images
from genrl.data.image_reader import ImageReader, suitable_threads
from genrl.data.splits import stratified_split
from genrl.data.tensor_set import TensorSet
from genrl.foreign import require_memory
from genrl.typing import DataSpec

_HELD_OUT_NAMES = ("test", "val", "valid", "validation")


@data_sources.register("image_folder")
class ImageFolderSource(DataSource):
    """Your own images: ``root/<class>/*.png`` (.jpg, ...), or without labels ``root/*.png``.

    Args:
        root: folder of the training images.
        size: height and width in pixels that images are resized (shorter side) and centre-cropped
            to; None keeps theirs, which must then all be equal.
        channels: 1 for grey, 3 for RGB; None takes grey if the images are.
        use_labels: whether subfolders are classes; if not, all images below ``root`` are taken
            without labels.
        cache: whether decoded images are kept in memory.
        held_out: folder of images that training never sees; None takes a folder beside ``root``
            called test, val, valid or validation, and where there is none holds out a part of each
            class.
        held_out_fraction: that part, in [0, 1); the choice is fixed.
        flip: whether training images are mirrored left to right at random.
        num_threads: that decode; 0 chooses.

    Raises:
        ConfigurationError: if folders or images are not as above; the message names them.
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        *,
        root: str,
        size: int | None = None,
        channels: Literal[1, 3] | None = None,
        use_labels: bool = True,
        cache: bool = True,
        held_out: str | None = None,
        held_out_fraction: float = 0.1,
        flip: bool = True,
        num_threads: int = 0,
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size must be at least 1 pixel, not {size}")
        if num_threads < 0:
            raise ValueError(f"num_threads cannot be negative: {num_threads}")
        self.cache = cache
        self.flip = flip
        self.num_threads = num_threads
        folder = Path(root).expanduser().absolute()
        training = list_images(folder, use_labels=use_labels)
        self._listings = _with_held_out(training, folder, held_out, held_out_fraction)
        self._sets: dict[bool, ExampleSet] = {}
        self._reader = ImageReader.detect(training.paths, size, channels)
        shape = (self._reader.channels, self._reader.height, self._reader.width)
        self.spec = DataSpec(shape, len(training.class_names), num_levels=256)
        self.class_names = training.class_names
        self.default_feature = "classifier" if training.class_names else "identity"

    def train(self) -> ExampleSet:
        return self._set(self._listings[0], is_training=True)

    def held_out(self) -> ExampleSet | None:
        listing = self._listings[1]
        return None if listing is None else self._set(listing, is_training=False)

    def _set(self, listing: ImageListing, *, is_training: bool) -> ExampleSet:
        if is_training not in self._sets:
            self._sets[is_training] = self._loaded(listing, self.flip and is_training)
        return self._sets[is_training]

    def _loaded(self, listing: ImageListing, flip: bool) -> ExampleSet:
        reader = self._reader
        size = "x".join(map(str, self.spec.shape)) + (" resized" if reader.is_resized else "")
        fingerprint = f"{listing.fingerprint()} {size}"
        num_threads = self.num_threads or suitable_threads(sum(listing.num_bytes), len(listing))
        if not self.cache:
            return ImageFileSet(
                listing, reader, flip=flip, num_threads=num_threads, fingerprint=fingerprint
            )
        mend = "give data.cache=false to read them for every batch, or a smaller data.size"
        require_memory(len(listing) * self.spec.size, listing.root, mend)
        pixels = reader.read_all(
            listing.paths, num_threads=num_threads, description=f"reading {listing.root}"
        )
        return TensorSet(
            torch.from_numpy(pixels), listing.labels, flip=flip, fingerprint=fingerprint
        )


def _with_held_out(
    training: ImageListing, folder: Path, held_out: str | None, fraction: float
) -> tuple[ImageListing, ImageListing | None]:
    """The files to learn from and those held out."""
    beside = [folder.parent / name for name in _HELD_OUT_NAMES if name != folder.name]
    given = [Path(held_out).expanduser().absolute()] if held_out is not None else beside
    for candidate in given:
        if held_out is not None or candidate.is_dir():
            names = training.class_names
            return training, list_images(candidate, use_labels=bool(names), class_names=names)
    labels = training.labels
    train, rest = stratified_split(
        torch.zeros(len(training), dtype=torch.long) if labels is None else labels, fraction
    )
    return training.subset(train), training.subset(rest) if len(rest) else None
