"""The README's picture: the same seeds at every stage of a run, side by side.

python tools/readme_picture.py RUN .github/ladder.png
"""

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

GAP, CAPTION = 14, 26


def stage_pictures(run: Path) -> list[tuple[str, Image.Image]]:
    """Caption and grid of each stage, the first stage at its most steps alone."""
    entries = json.loads((run / "samples" / "index.json").read_text())
    grids = [entry for entry in entries if entry["kind"] == "grid"]
    chosen = {entry["stage"]: entry for entry in reversed(grids)}
    ordered = [entry for entry in grids if chosen[entry["stage"]] is entry]
    return [(e["caption"], Image.open(run / "samples" / e["file"]).convert("RGB")) for e in ordered]


def join(pictures: list[tuple[str, Image.Image]], width: int) -> Image.Image:
    """The pictures in a row, each under its caption, all of it ``width`` pixels wide."""
    total = sum(image.width for _, image in pictures) + GAP * (len(pictures) - 1)
    scale = width / total
    height = max(int(image.height * scale) for _, image in pictures)
    canvas = Image.new("RGB", (width, height + CAPTION), "white")
    draw = ImageDraw.Draw(canvas)
    x = 0.0
    for caption, image in pictures:
        size = (int(image.width * scale), int(image.height * scale))
        canvas.paste(image.resize(size, Image.Resampling.LANCZOS), (int(x), CAPTION))
        draw.text((int(x) + 4, 6), caption, fill="black", font=ImageFont.load_default(13))
        x += (image.width + GAP) * scale
    return canvas


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1400)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    join(stage_pictures(arguments.run), arguments.width).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
