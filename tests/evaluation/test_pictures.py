"""Pictures: which samples are drawn, beside which training images, and how they are indexed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.evaluation import pictures as module
from genrl.evaluation.pictures import Pictures
from genrl.run_folder import RunFolder
from genrl.typing import DataSpec


@pytest.fixture
def grids(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Any, Any]]:
    """What `sample_grid` was asked to draw."""
    seen: list[tuple[Tensor, Any, Any]] = []
    draw = module.sample_grid

    def spy(grid: Tensor, rows: Any, columns: Any, *more: Any) -> Any:
        seen.append((grid, rows, columns))
        return draw(grid, rows, columns, *more)

    monkeypatch.setattr(module, "sample_grid", spy)
    return seen


def numbered(count: int, offset: float) -> Tensor:
    """Image i is the constant offset + i / 100."""
    return (offset + torch.arange(count) / 100).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def test_a_class_per_row_and_a_weight_per_column(
    tmp_path: Path, grids: list[tuple[Tensor, Any, Any]]
) -> None:
    spec = DataSpec((1, 4, 4), 3)
    pictures = Pictures(RunFolder(tmp_path), spec, ("zero", "one", "two"))
    samples = {0.0: numbered(12, -1.0), 1.0: numbered(12, 0.0), 4.0: numbered(12, 0.5)}
    train = numbered(50, -0.2)
    pictures.draw("8", 8, samples, train)
    (grid, rows, columns), (nearest, kinds, distances) = grids
    # Sample i is of class i mod 3, and row i holds sample i.
    assert rows == ["zero", "one", "two"]
    assert columns == ["w = 0", "w = 1", "w = 4"]
    expected = torch.stack([x[:3] for x in samples.values()], dim=1)
    assert torch.equal(grid, expected)
    # The weight nearest to 1; sample k = 0.01 k is image 20 + k of the training data.
    assert kinds == ["sample", "nearest"]
    assert torch.equal(nearest[0], samples[1.0][:10])
    assert torch.equal(nearest[1], train[20:30])
    assert distances == ["0.00"] * 10
    entries = json.loads((tmp_path / "samples" / "index.json").read_text())
    assert [(e["file"], e["kind"], e["w"]) for e in entries] == [
        ("8_8steps.png", "grid", None),
        ("8_8steps_nearest.png", "nearest", 1.0),
    ]
    assert entries[1]["caption"] == "8 steps, w = 1; distance above each pair"


def test_images_without_labels(tmp_path: Path, grids: list[tuple[Tensor, Any, Any]]) -> None:
    pictures = Pictures(RunFolder(tmp_path), DataSpec((1, 4, 4)), ())
    pictures.draw("teacher", 1, {0.0: numbered(20, 0.0)}, numbered(5, 0.0))
    assert grids[0][0].shape[:2] == (8, 1)
    assert grids[0][1] == [""] * 8


def test_many_classes_are_cut(tmp_path: Path, grids: list[tuple[Tensor, Any, Any]]) -> None:
    pictures = Pictures(RunFolder(tmp_path), DataSpec((1, 4, 4), 100), ("a",))
    pictures.draw("teacher", 1, {0.0: numbered(100, 0.0)}, numbered(5, 0.0))
    assert grids[0][0].shape[:2] == (10, 1)
    assert grids[0][1] == ["a"] + [""] * 9


def test_a_picture_drawn_again_keeps_its_place(tmp_path: Path) -> None:
    pictures = Pictures(RunFolder(tmp_path), DataSpec((1, 4, 4), 2), ())
    for stage in ("teacher", "8", "teacher"):
        pictures.draw(stage, 2, {1.0: numbered(10, 0.0)}, numbered(5, 0.0))
    entries = json.loads((tmp_path / "samples" / "index.json").read_text())
    assert [e["stage"] for e in entries] == ["teacher", "teacher", "8", "8"]


def test_few_samples(tmp_path: Path, grids: list[tuple[Tensor, Any, Any]]) -> None:
    """Fewer samples than classes or rows: those that are there."""
    pictures = Pictures(RunFolder(tmp_path), DataSpec((1, 4, 4), 10), ())
    pictures.draw("teacher", 1, {0.0: numbered(8, 0.0)}, numbered(3, 0.0))
    assert grids[0][0].shape[:2] == (8, 1)
    assert len(grids[1][2]) == 8
