"""Finished runs of a study as lines of JSON, so that a study that was stopped goes on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from genrl.evaluation.statistics import across_seeds

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The finished runs."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path: Path, line: Line) -> None:
    """One more."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def holds(path: Path, **identity: object) -> bool:
    """Whether a run with these values is finished."""
    return any(all(line.get(k) == v for k, v in identity.items()) for line in read(path))


def over_seeds(returns: Sequence[ArrayLike]) -> tuple[float, str]:
    """The interquartile mean over seeds, and its interval as text, empty for a single seed.

    Args:
        returns: the episodes of each seed.
    """
    summary = across_seeds(returns, rng=np.random.default_rng(0))
    spread = summary.interval
    return summary.score, "" if spread is None else f"[{spread.low:.1f}, {spread.high:.1f}]"
