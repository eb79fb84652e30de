"""Image files for the tests of image folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteImages = Callable[..., None]


@pytest.fixture
def write_images(tmp_path: Path) -> WriteImages:
    """Writes images below ``tmp_path``, filled with grey 0, 1, 2, ... in the order given."""

    def write(*names: str, size: tuple[int, int] = (8, 6)) -> None:
        for value, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)

    return write
