"""The figure that a search compares."""

import json
from pathlib import Path
from typing import Any

import pytest

from genrl.sweeps.objective import quality

STAGES = [
    {"name": "teacher", "num_steps": 64, "w": 0.0, "frechet": 1.0},
    {"name": "4", "num_steps": 4, "w": 0.0, "frechet": 3.0, "precision": 0.5},
    {"name": "4", "num_steps": 4, "w": 1.0, "frechet": 2.0, "precision": 0.75},
]


@pytest.mark.parametrize(
    ("summary", "objective", "expected"),
    [
        ({"stages": STAGES}, None, 2.0),
        ({"stages": STAGES}, "stages.-1.precision", 0.75),
        ({"stages": STAGES}, "stages.0.frechet", 1.0),
        ({"final": {"iqm": 5, "mean": 6.5}}, None, 5.0),
        ({"final": {"iqm": 5, "mean": 6.5}}, "final.mean", 6.5),
        ({"final": {"iqm": 5}}, "final.mean", None),
        ({"final": {"iqm": float("nan")}}, None, None),
        ({"final": {"iqm": 10**400}}, None, None),
        ({"stages": STAGES}, "stages.7.frechet", None),
        ({"stages": STAGES}, "stages.x", None),
        ({"stages": STAGES}, "stages.0.name", None),
        ({"stages": []}, None, None),
        ({"stages": [{"name": "4"}]}, None, None),
        ({"stages": 3}, None, None),
        ({}, None, None),
    ],
)
def test_quality(
    tmp_path: Path, summary: dict[str, Any], objective: str | None, expected: float | None
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert quality(tmp_path, objective) == expected


def test_without_a_summary(tmp_path: Path) -> None:
    assert quality(tmp_path) is None
    (tmp_path / "summary.json").write_text("{")
    assert quality(tmp_path) is None
