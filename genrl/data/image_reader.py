"""Image files as arrays of bytes, all of one shape.

Greyscale, palette, 16-bit, CMYK and transparent images are converted to grey or RGB; transparency
is laid over white; the orientation that a camera stored is applied.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from genrl.registry import ConfigurationError

# What Pillow decodes by itself: others, such as EPS by Ghostscript, start programs, and a file's
# name says nothing of its format.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_SMALL_FILE = 16384


@dataclass(frozen=True)
class ImageReader:
    """Reads files as uint8 arrays of shape (channels, height, width).

    Args:
        channels: 1 (grey) or 3 (RGB).
        height: of every image, in pixels.
        width: of every image, in pixels.
        is_resized: whether an image of another size is resized and centre-cropped, rather than
            refused.
        reference: the file that height and width were taken from.
        is_grey_assumed: whether ``channels = 1`` was concluded from a few files: then a coloured
            one is refused.
    """

    channels: int
    height: int
    width: int
    is_resized: bool
    reference: str
    is_grey_assumed: bool = False

    @classmethod
    def detect(
        cls, paths: Sequence[str], size: int | None, channels: Literal[1, 3] | None
    ) -> "ImageReader":
        """The reader that suits some files: height and width of the first, grey if they are grey.

        Args:
            paths: of the image files.
            size: height and width to resize and crop to; None takes those of the first file.
            channels: 1 or 3; None looks at up to 64 files.
        """
        looked_at = [paths[i * len(paths) // 64] for i in range(64)] if len(paths) > 64 else paths
        is_grey = channels == 1 or (channels is None and all(_is_grey(path) for path in looked_at))
        width, height = _opened(paths[0]).size if size is None else (size, size)
        return cls(
            channels=1 if is_grey else 3,
            height=height,
            width=width,
            is_resized=size is not None,
            reference=paths[0],
            is_grey_assumed=is_grey and channels is None,
        )

    def read(self, path: str) -> NDArray[np.uint8]:
        """One image.

        Raises:
            ConfigurationError: if the file is broken, has another size or an unexpected colour; it
                is named.
        """
        image = _opened(path, (self.width, self.height) if self.is_resized else None)
        if self.is_grey_assumed and image.mode not in _GREY_MODES:
            raise ConfigurationError(
                f"{path} is in colour, but the images looked at first are grey: "
                "give data.channels=3 or data.channels=1"
            )
        image = self._converted(path, image)
        if self.is_resized:
            image = ImageOps.fit(image, (self.width, self.height), Image.Resampling.BICUBIC)
        if image.size != (self.width, self.height):
            raise ConfigurationError(
                f"{path} has {image.width}x{image.height} pixels, but {self.reference} has "
                f"{self.width}x{self.height}: give data.size=<pixels> to resize and crop all images"
            )
        pixels = np.asarray(image)
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def read_all(
        self, paths: Sequence[str], *, num_threads: int, description: str | None = None
    ) -> NDArray[np.uint8]:
        """All images in the order of their paths.

        Args:
            paths: of the files.
            num_threads: that decode; they help where decoding, and not Python, takes the time.
            description: shown beside a progress bar if there is a terminal; None shows none.
        """
        result = np.empty((len(paths), self.channels, self.height, self.width), np.uint8)
        step = 128 if num_threads == 1 else 8
        starts = range(0, len(paths), step)

        def read_chunk(start: int) -> None:
            for index in range(start, min(start + step, len(paths))):
                result[index] = self.read(paths[index])

        with ThreadPoolExecutor(num_threads) as pool:
            done = map(read_chunk, starts) if num_threads == 1 else pool.map(read_chunk, starts)
            for _ in done if description is None else _shown(done, description, len(starts)):
                pass
        return result

    def _converted(self, path: str, image: Image.Image) -> Image.Image:
        if image.mode == "F":
            raise ConfigurationError(
                f"{path} has floating-point pixels of unknown range; save it as 8-bit image"
            )
        if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
            high_byte = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
            image = Image.fromarray(high_byte)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return image.convert("L" if self.channels == 1 else "RGB")


def suitable_threads(num_bytes: int, num_files: int) -> int:
    """How many decode fastest; a small image is mostly Python, in which threads only wait."""
    return 1 if num_bytes < _SMALL_FILE * num_files else min(16, os.cpu_count() or 1)


def _shown(done: Iterable[None], description: str, total: int) -> Iterable[None]:
    """A progress bar around the work if there is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return done
    return track(done, description, total, console=console, transient=True)


def _is_grey(path: str) -> bool:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.mode in _GREY_MODES
    except Exception as error:
        raise _broken(path, error) from error


def _opened(path: str, wanted: tuple[int, int] | None = None) -> Image.Image:
    """The decoded image, upright; a large JPEG at a fraction of its size, twice the wanted."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if wanted is not None:
                image.draft(None, (2 * max(wanted), 2 * max(wanted)))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return image
    except Exception as error:  # a damaged file can raise nearly anything in a decoder
        raise _broken(path, error) from error


def _broken(path: str, error: Exception) -> ConfigurationError:
    # Pillow's reason may quote the path again, and may be empty.
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if Path(path).name in reason:
        reason = "not an image, or its start is damaged" if Path(path).exists() else "file is gone"
    return ConfigurationError(f"{path} cannot be read as an image ({reason}); replace or remove it")
