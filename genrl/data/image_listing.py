"""Which image files a folder holds, and which class each belongs to.

One folder for each class (any depth below it), or images directly in the folder, which then have no
labels. Hidden files and folders are passed over. The order is that of the sorted paths.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from genrl.registry import ConfigurationError, suggest
from genrl.typing import Labels

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}


@dataclass(frozen=True)
class ImageListing:
    """Image files below one folder.

    Args:
        root: the folder.
        paths: of the files.
        num_bytes: size of each file.
        labels: class of each file, or None.
        class_names: by label; empty without labels.
    """

    root: Path
    paths: tuple[str, ...]
    num_bytes: tuple[int, ...]
    labels: Labels | None
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, indices: Int[Tensor, " chosen"]) -> "ImageListing":
        """The files with these indices."""
        chosen = indices.tolist()
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen),
            num_bytes=tuple(self.num_bytes[i] for i in chosen),
            labels=None if self.labels is None else self.labels[indices],
        )

    def fingerprint(self) -> str:
        """A hash of the paths below the root, labels and file sizes; it survives a move."""
        labels = [None] * len(self) if self.labels is None else self.labels.tolist()
        digest = hashlib.sha256()
        for path, size, label in zip(self.paths, self.num_bytes, labels, strict=True):
            below = path[len(str(self.root)) :].replace(os.sep, "/")
            digest.update(f"{below}\0{size}\0{label}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]


def list_images(
    root: Path, *, use_labels: bool = True, class_names: Sequence[str] | None = None
) -> ImageListing:
    """The images below a folder.

    Args:
        root: the folder.
        use_labels: whether subfolders are classes.
        class_names: those that may occur, in the order of their labels; None takes the subfolders.

    Raises:
        ConfigurationError: if the folder is missing, is no folder, holds no image, has an empty or
            unknown class folder, or holds splits instead of classes.
    """
    folders = _folders(root)
    if not use_labels or not folders:
        files = _images(root, is_deep=not use_labels)
        if not files:
            raise ConfigurationError(
                f"{root} holds no image; put images or one folder of images for each class there "
                f"(known suffixes: {' '.join(SUFFIXES)})"
            )
        paths, sizes = zip(*files, strict=True)
        return ImageListing(root, paths, sizes, None, ())
    _refuse_splits(root, folders)
    if _images(root, is_deep=False):
        raise ConfigurationError(
            f"{root} holds both images and folders: move the images into class folders, or give "
            "data.use_labels=false to take all of them without labels"
        )
    known = folders if class_names is None else list(class_names)
    every: list[tuple[str, int]] = []
    labels: list[int] = []
    for folder in folders:
        if folder not in known:
            raise ConfigurationError(
                f"{root / folder} is not a class of the training images.{suggest(folder, known)} "
                f"Classes: {', '.join(known)}"
            )
        files = _images(root / folder, is_deep=True)
        if not files:
            raise ConfigurationError(
                f"the class folder {root / folder} holds no image; add images or remove the folder"
            )
        every += files
        labels += [known.index(folder)] * len(files)
    paths, sizes = zip(*every, strict=True)
    return ImageListing(root, paths, sizes, torch.tensor(labels), tuple(known))


def _folders(root: Path) -> list[str]:
    if not root.exists():
        parent = next(folder for folder in root.parents if folder.is_dir())
        missing = root.relative_to(parent).parts[0]
        names = [entry.name for entry in parent.iterdir() if entry.is_dir()]
        raise ConfigurationError(
            f"the image folder {root} does not exist: {parent} has no folder '{missing}'."
            f"{suggest(missing, names)}"
        )
    if not root.is_dir():
        raise ConfigurationError(
            f"{root} is a file, not a folder: give the folder that holds the images"
        )
    return sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__"))
    )


def _refuse_splits(root: Path, folders: list[str]) -> None:
    training = [name for name in folders if name.lower() in ("train", "training")]
    if training and {name.lower() for name in folders} <= _SPLITS:
        raise ConfigurationError(
            f"{root} holds {', '.join(folders)}, which are parts of a data set and not classes: "
            f"give data.root={root / training[0]}"
        )


def _images(folder: Path, *, is_deep: bool, above: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """Paths and sizes of the image files, sorted by path; ``above`` are the folders around it."""
    found: list[tuple[str, int]] = []
    real = os.path.realpath(folder)
    if real in above:
        raise ConfigurationError(f"{folder} is a link to a folder around it: remove the link")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if os.path.isdir(entry.path):  # which answers for a link to itself, too
                if is_deep:
                    found += _images(Path(entry.path), is_deep=True, above=(*above, real))
            elif entry.name.lower().endswith(SUFFIXES):
                if not os.path.isfile(entry.path):
                    raise ConfigurationError(f"{entry.path} is no file, or a link to none")
                found.append((entry.path, entry.stat().st_size))
    return sorted(found)
