"""The figure of a run by which a search compares it.

A diffusion run: the Fréchet distance of its last stage, at the number of steps and the guidance
weight that are best. An agent: the interquartile mean of its final returns. Or any number of
``summary.json``, by a path of keys and places: ``final.mean``, ``stages.-1.precision``.
"""

import math
from pathlib import Path
from typing import Any

from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder


def quality(path: Path, objective: str | None = None) -> float | None:
    """The figure of a run.

    Args:
        path: of the run's folder.
        objective: path in ``summary.json``; None for the run's own figure.

    Returns:
        None where it was not measured, or is no finite number.
    """
    try:
        summary = RunFolder(path).read_summary()
    except ConfigurationError:
        return None
    value: Any = summary
    if objective is not None:
        for key in objective.split("."):
            value = _inside(value, key)
    elif "stages" in summary:
        value = _best_of_last_stage(summary["stages"])
    else:
        value = _inside(_inside(summary, "final"), "iqm")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def _best_of_last_stage(rows: Any) -> Any:
    try:
        return min(row["frechet"] for row in rows if row["name"] == rows[-1]["name"])
    except (LookupError, TypeError, ValueError):
        return None


def _inside(value: Any, key: str) -> Any:
    try:
        return value[int(key)] if isinstance(value, list) else value[key]
    except (LookupError, TypeError, ValueError):
        return None
