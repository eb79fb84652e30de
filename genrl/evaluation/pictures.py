"""The pictures of a run: ``samples/*.png`` and the index that the report reads them by."""

import json
from collections.abc import Mapping

import torch

from genrl.evaluation.grid import sample_grid, save_image, scatter_grid
from genrl.evaluation.nearest import nearest_neighbours
from genrl.files import write_text
from genrl.run_folder import RunFolder
from genrl.typing import Data, DataSpec

NUM_NEAREST = 10
MAX_CLASSES = 10


class Pictures:
    """Draws grids with a class per row and a weight per column; points for 2-D data.

    Args:
        folder: of the run.
        spec: of the data.
        class_names: of the data, in order of the labels.
    """

    def __init__(self, folder: RunFolder, spec: DataSpec, class_names: tuple[str, ...]) -> None:
        self.folder, self.spec, self.class_names = folder, spec, class_names

    def draw(self, stage: str, steps: int, samples: Mapping[float, Data], train: Data) -> None:
        """The grid of a stage at a number of steps, and samples above their nearest images."""
        name = f"{stage}_{steps}steps"
        caption = _caption(stage, steps)
        self._save(f"{name}.png", samples, None)
        self._index(stage, steps, None, f"{name}.png", caption, "grid")
        if len(self.spec.shape) == 3:
            w = min(samples, key=lambda value: abs(value - 1))
            self._nearest(stage, steps, w, samples[w], train)

    def draw_preview(self, stage: str, update: int, samples: Mapping[float, Data]) -> None:
        """A grid from the middle of a stage."""
        name = f"{stage}_update{update:06d}.png"
        self._save(name, samples, f"{stage}, update {update}")

    def _save(self, name: str, samples: Mapping[float, Data], title: str | None) -> None:
        columns = [f"w = {w:g}" for w in samples]
        if len(self.spec.shape) == 3:
            count = min(max(self.spec.num_classes, 1), MAX_CLASSES)
            rows = count if self.spec.num_classes else 8
            rows = min(rows, *(len(x) for x in samples.values()))
            labels = [self._class_name(row) for row in range(rows)]
            grid = torch.stack([x[:rows] for x in samples.values()], dim=1)
            image = sample_grid(grid, labels, columns, title)
        else:
            points = torch.stack([x.flatten(1)[:, :2] for x in samples.values()])
            classes = torch.arange(points.shape[1]) % max(self.spec.num_classes, 1)
            image = scatter_grid(points, columns, classes, title)
        save_image(image, self.folder.samples / name)

    def _nearest(self, stage: str, steps: int, w: float, samples: Data, train: Data) -> None:
        chosen = samples[:NUM_NEAREST]
        nearest = nearest_neighbours(chosen, train)
        grid = torch.stack([chosen, train[nearest.index].to(chosen)])
        name = f"{stage}_{steps}steps_nearest.png"
        columns = [f"{distance:.2f}" for distance in nearest.distance.tolist()]
        image = sample_grid(grid, ["sample", "nearest"], columns)
        save_image(image, self.folder.samples / name)
        caption = f"{_caption(stage, steps)}, w = {w:g}; distance above each pair"
        self._index(stage, steps, w, name, caption, "nearest")

    def _class_name(self, row: int) -> str:
        return self.class_names[row] if row < len(self.class_names) else ""

    def _index(
        self, stage: str, steps: int, w: float | None, file: str, caption: str, kind: str
    ) -> None:
        path = self.folder.samples / "index.json"
        entries = json.loads(path.read_text()) if path.exists() else []
        entry = {
            "stage": stage,
            "num_steps": steps,
            "w": w,
            "file": file,
            "caption": caption,
            "kind": kind,
        }
        files = [known["file"] for known in entries]
        if file in files:
            entries[files.index(file)] = entry
        else:
            entries.append(entry)
        write_text(path, json.dumps(entries, indent=1) + "\n")


def _caption(stage: str, steps: int) -> str:
    """A distilled student is named by its number of steps already."""
    count = f"{steps} step{'s' * (steps > 1)}"
    return count if stage == str(steps) else f"{stage}, {count}"
