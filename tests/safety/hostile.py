"""What goes off where a file is opened carelessly, and the small runs that it is hidden in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = [
    "data=gaussian_mixture", "network=mlp_small", "network.features=8", "training.batch_size=8",
    "training.updates=2", "callback@evaluation=none", "callback@progress=none", "device=cpu",
]  # fmt: skip
AGENT = ["+experiment=bc", "env=pendulum", "callback@progress=none"]

Refused = Callable[..., str]


class Bomb:
    """Unpickling it makes the folder.

    Args:
        sentinel: of the folder.
    """

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = str(sentinel)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.sentinel,)
