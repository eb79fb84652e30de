import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrl.evaluation import sample_grid, save_image, scatter_grid


def colours(rows: int, columns: int, size: int = 8) -> torch.Tensor:
    """A constant RGB image of another colour in each place, exact in 8 bits."""
    grid = torch.zeros(rows, columns, 3, size, size)
    for r in range(rows):
        for c in range(columns):
            rgb = torch.tensor([10.0 + 40 * r, 20 + 30 * c, 200]) / 127.5 - 1
            grid[r, c] = rgb[:, None, None]
    return grid


def test_every_image_is_in_its_place_and_enlarged_exactly() -> None:
    image = np.asarray(sample_grid(colours(3, 4), ["a", "b", "c"], ["1", "2", "3", "4"]))
    corners = {}
    for r in range(3):
        for c in range(4):
            found = np.argwhere((image == (10 + 40 * r, 20 + 30 * c, 200)).all(axis=-1))
            assert len(found) == 48 * 48
            assert ((found.max(axis=0) - found.min(axis=0)) == 47).all()
            corners[r, c] = tuple(found.min(axis=0))
    assert all(corners[r, c][0] == corners[r, 0][0] for r, c in corners)
    assert all(corners[r, c][1] == corners[0, c][1] for r, c in corners)
    assert corners[0, 0][0] < corners[1, 0][0] < corners[2, 0][0]
    assert corners[0, 0][1] < corners[0, 1][1] < corners[0, 2][1]


def test_pixels_stay_squares() -> None:
    checks = torch.ones(1, 1, 1, 8, 8)
    checks[0, 0, 0, ::2, 1::2] = checks[0, 0, 0, 1::2, ::2] = -1
    image = np.asarray(sample_grid(checks, [""], [""]).convert("L"))
    black = image == 0
    assert black.sum() == 32 * 36
    rows = np.flatnonzero(black.any(axis=1))
    first = image[rows[0], :]
    runs = np.diff(np.flatnonzero(np.diff(first.astype(int)) != 0))
    assert set(runs.tolist()) == {6}


@pytest.mark.parametrize(("size", "tile"), [(8, 48), (28, 56), (32, 64), (48, 48), (64, 64)])
def test_tiles_are_at_least_48_pixels(size: int, tile: int) -> None:
    image = np.asarray(sample_grid(colours(1, 1, size), [""], [""]))
    assert (image == (10, 20, 200)).all(axis=-1).sum() == tile * tile


def test_given_scale() -> None:
    image = np.asarray(sample_grid(colours(1, 1), [""], [""], scale=2))
    assert (image == (10, 20, 200)).all(axis=-1).sum() == 16 * 16


def test_values_are_rounded_and_clipped() -> None:
    values = torch.tensor([-1.2, -1.0, 0.0, 1.0, 7.0]).reshape(5, 1, 1, 1, 1)
    image = sample_grid(values, [""] * 5, [""])
    x = image.width // 2
    seen = [image.getpixel((x, 8 + 24 + 50 * i)) for i in range(5)]
    assert seen == [(v, v, v) for v in (0, 0, 128, 255, 255)]


def test_labels_are_drawn_and_take_their_room() -> None:
    plain = sample_grid(colours(2, 2), ["", ""], ["", ""])
    labelled = sample_grid(colours(2, 2), ["teacher", "4"], ["0", "1"], "Digits")
    assert labelled.width > plain.width
    assert labelled.height > plain.height + 20
    left = np.asarray(labelled)[:, :50]
    assert (left.max(axis=-1) < 100).any()
    wide = sample_grid(colours(1, 2), [""], ["a_column_with_a_long_name", "b"], "x" * 80)
    edges = np.asarray(wide)
    assert (edges[:, [0, -1]] == 255).all()
    assert (edges[[0, -1]] == 255).all()


def test_long_column_labels_do_not_run_into_one_another() -> None:
    image = np.asarray(sample_grid(colours(1, 3), [""], ["distilled_to_4"] * 3))
    dark = (image.max(axis=-1) < 140).any(axis=0)
    edges = np.diff(np.flatnonzero(np.concatenate([[1], dark, [1]])))
    assert (edges >= 8).sum() >= 4


def test_same_input_same_bytes(tmp_path: Path) -> None:
    points = torch.randn(2, 100, 2, generator=torch.Generator().manual_seed(0))
    for make in (
        lambda: sample_grid(colours(2, 2), ["a", "b"], ["1", "2"], "title"),
        lambda: scatter_grid(points, ["teacher", "4 steps"], torch.arange(100) % 8, "title"),
    ):
        files = [save_image(make(), tmp_path / "sub" / f"{i}.png").read_bytes() for i in range(2)]
        assert files[0] == files[1]


def test_scatter_draws_every_panel_with_the_same_limits() -> None:
    corner = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    image = scatter_grid(torch.stack([corner, corner / 2, corner + 100]), ["a", "b", "c"])
    array = np.asarray(image).astype(int)
    blue = (array[..., 2] - array[..., 0]) > 60
    third = image.width // 3
    columns = [np.flatnonzero(blue[:, i * third : (i + 1) * third].any(axis=0)) for i in range(3)]
    spans = [c.max() - c.min() if len(c) else 0 for c in columns]
    assert spans[0] == pytest.approx(2 * spans[1], abs=6)
    assert spans[2] == 0
    assert spans[0] > 100


def test_scatter_does_not_touch_pyplot() -> None:
    import matplotlib.pyplot as plt

    scatter_grid(torch.zeros(1, 3, 2), ["a"], limit=1.0)
    assert plt.get_fignums() == []


def test_writing_is_complete_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(Image.new("RGB", (4, 4)), tmp_path / "a.png")
    before = path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_image(Image.new("RGB", (9, 9)), path)
    assert path.read_bytes() == before


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels"):
        sample_grid(torch.zeros(1, 1, 2, 8, 8), [""], [""])
    with pytest.raises(ValueError, match="need as many labels"):
        sample_grid(torch.zeros(1, 2, 1, 8, 8), [""], [""])
    with pytest.raises(ValueError, match="two coordinates"):
        scatter_grid(torch.zeros(1, 2, 3), ["a"])
    with pytest.raises(ValueError, match="2 panels need"):
        scatter_grid(torch.zeros(2, 2, 2), ["a"])
