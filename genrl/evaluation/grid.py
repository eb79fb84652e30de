"""Pictures of samples: a grid of images with labelled rows and columns, and points in panels.

The same input gives the same bytes: fonts come with PIL and matplotlib, and no date is written.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genrl.files import write_whole

_SMALLEST_TILE = 48
_FONT_SIZE = 13
_GAP = 2
_MARGIN = 8
_INK, _PAPER = (34, 34, 34), (255, 255, 255)


def sample_grid(
    images: Float[Tensor, "rows columns channels height width"],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str | None = None,
    *,
    scale: int | None = None,
) -> Image.Image:
    """Images as tiles, enlarged by a whole factor so that each pixel stays a square.

    Args:
        images: in [-1, 1] (clipped), with one channel or three.
        row_labels: one for each row, left of it; empty strings take no room.
        column_labels: one for each column, above it; broken at spaces where it is too wide.
        title: above everything.
        scale: factor of the enlargement; None takes the least with tiles of 48 pixels.

    Raises:
        ValueError: if the shape is not that of a grid of grey or RGB images, or labels are missing.
    """
    if images.ndim != 5 or images.shape[2] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            "a grid is of shape (rows, columns, channels, height, width) with 1 or 3 channels, "
            f"not {tuple(images.shape)}"
        )
    if images.shape[:2] != (len(row_labels), len(column_labels)):
        raise ValueError(
            f"{images.shape[0]} rows and {images.shape[1]} columns need as many labels, not "
            f"{len(row_labels)} and {len(column_labels)}"
        )
    height, width = images.shape[3:]
    scale = max(1, -(-_SMALLEST_TILE // min(height, width))) if scale is None else scale
    size = (width * scale, height * scale)
    font = ImageFont.load_default(_FONT_SIZE)
    heads = [
        label.replace(" ", "\n") if _extent(label, font)[0] > size[0] else label
        for label in column_labels
    ]
    sides = [_extent(label, font) for label in row_labels]
    left = _MARGIN + max(w for w, _ in sides) + (_MARGIN if any(row_labels) else 0)
    title_height = _extent(title, font)[1] + _MARGIN if title else 0
    top = _MARGIN + title_height + max(_extent(head, font)[1] for head in heads)
    top += _MARGIN // 2 if any(heads) else 0
    pitch = max(size[0] + _GAP, *(_extent(head, font)[0] + _MARGIN for head in heads))
    right = left + pitch * len(heads) - _GAP
    total = (
        max(right, _MARGIN + _extent(title or "", font)[0]) + _MARGIN,
        top + (size[1] + _GAP) * len(row_labels) - _GAP + _MARGIN,
    )
    canvas = Image.new("RGB", total, _PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for column, head in enumerate(heads):
        middle = left + column * pitch + (pitch - _GAP) / 2
        place = (middle, top - _MARGIN // 2)
        draw.text(place, head, fill=_INK, font=font, anchor="md", align="center")
    for row, label in enumerate(row_labels):
        y = top + row * (size[1] + _GAP)
        draw.text((_MARGIN, y + size[1] / 2), label, fill=_INK, font=font, anchor="lm")
        for column in range(len(heads)):
            tile = _tile(images[row, column]).resize(size, Image.Resampling.NEAREST)
            canvas.paste(tile, (left + column * pitch + (pitch - _GAP - size[0]) // 2, y))
    return canvas


def scatter_grid(
    points: Float[Tensor, "panels points 2"],
    panel_labels: Sequence[str],
    classes: Tensor | None = None,
    title: str | None = None,
    *,
    limit: float | None = None,
) -> Image.Image:
    """Points in the plane, a panel for each set, all on the same axes.

    Args:
        points: coordinates.
        panel_labels: one for each panel, above it.
        classes: (panels, points) or (points,); they colour the points.
        title: above everything.
        limit: half the side of a panel; None makes room for all points of the first panel.

    Raises:
        ValueError: if the points are not of two coordinates, or labels are missing.
    """
    if points.ndim != 3 or points.shape[2] != 2 or 0 in points.shape:
        raise ValueError(
            f"points are of shape (panels, points, 2), not {tuple(points.shape)}; "
            "project them to two coordinates"
        )
    if len(panel_labels) != len(points):
        raise ValueError(f"{len(points)} panels need as many labels, not {len(panel_labels)}")
    # Not pyplot: it keeps figures and a back-end for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4 * len(points), 2.7 if title is None else 3.0), dpi=100)
    figure.set_layout_engine("constrained")
    if title is not None:
        figure.suptitle(title, fontsize=11)
    side = float(points[0].abs().max()) * 1.1 if limit is None else limit
    for index, label in enumerate(panel_labels):
        axes = figure.add_subplot(1, len(points), index + 1)
        x, y = points[index].detach().cpu().double().numpy().T
        if classes is None:
            axes.scatter(x, y, s=5, c="#2563b8", linewidths=0, alpha=0.6)
        else:
            colour = (classes if classes.ndim == 1 else classes[index]).cpu().numpy()
            axes.scatter(x, y, s=5, c=colour, cmap="tab10", vmin=0, vmax=9, linewidths=0)
        axes.set(xlim=(-side, side), ylim=(-side, side), aspect="equal", xticks=[], yticks=[])
        axes.set_title(label, fontsize=10)
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def save_image(image: Image.Image, path: Path) -> Path:
    """Write a PNG, complete or not at all."""
    write_whole(path, lambda file: image.save(file, format="PNG", optimize=True))
    return path


def _tile(image: Float[Tensor, "channels height width"]) -> Image.Image:
    pixels = ((image.detach().cpu().float() + 1) * 127.5).nan_to_num(0).round().clamp(0, 255)
    array = pixels.to(torch.uint8).expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array)


def _extent(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    """Width and height of text on a canvas of its own, a descender included."""
    if not text:
        return 0, 0
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    _, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    return int(right) + 1, int(bottom) + 2
