"""What is known of a run from its folder; files that are not there yet are listed, not fatal."""

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from genrl.registry import ConfigurationError

_FILES = {
    "config.yaml": "written when a run starts",
    "versions.yaml": "written when a run starts",
    "metrics.csv": "written during training",
    "samples/index.json": "written when a stage ends",
    "summary.json": "written when a stage ends",
}


@dataclass(frozen=True)
class Row:
    """One stage, evaluated at a number of steps and a guidance weight."""

    stage: str
    num_steps: int
    sampler: str
    w: float | None
    values: Mapping[str, float | None]

    def __getitem__(self, metric: str) -> float | None:
        return self.values.get(metric)

    @property
    def key(self) -> tuple[str, int, str]:
        """What the row is about, apart from w."""
        return self.stage, self.num_steps, self.sampler


@dataclass(frozen=True)
class Picture:
    """A PNG of samples; ``png`` is None where the file is missing."""

    stage: str
    num_steps: int | None
    w: float | None
    kind: str
    caption: str
    png: bytes | None


@dataclass(frozen=True)
class Run:
    """A run's folder as far as it has got.

    Args:
        path: of the folder.
        config: empty where ``config.yaml`` is missing.
        versions: of packages.
        metrics: rows of numbers (``update`` among them), each with its stage.
        pictures: in the order of the ladder.
        summary: the rest of ``summary.json``.
        rows: its stages.
        problems: what is missing or cannot be read, a sentence each.
    """

    path: Path
    config: dict[str, Any]
    versions: dict[str, Any]
    metrics: list[tuple[str, dict[str, float]]]
    pictures: list[Picture]
    summary: dict[str, Any]
    rows: list[Row]
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the experiment, or of the folder."""
        return str(self.summary.get("name") or self.config.get("name") or self.path.name)

    @property
    def seed(self) -> str:
        """Of the run, or a question mark."""
        return str(self.summary.get("seed", self.config.get("seed", "?")))

    def nested(self, *keys: str) -> Any:
        """An entry of the summary, or None."""
        value: Any = self.summary
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def read_run(path: Path) -> Run:
    """Everything that the folder holds.

    Raises:
        ConfigurationError: if there is no such folder, or nothing of a run in it.
    """
    if not path.is_dir():
        raise ConfigurationError(f"there is no run folder {path}: check the path")
    if not any((path / name).is_file() for name in _FILES):
        raise ConfigurationError(
            f"{path} is not the folder of a run: it has none of {', '.join(_FILES)}"
        )
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], Any], empty: Any) -> Any:
        try:
            content = parse((path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            problems.append(f"{name} is missing ({_FILES[name]}).")
        except (ValueError, OSError, yaml.YAMLError, csv.Error) as error:
            problems.append(f"{name} cannot be read ({type(error).__name__}).")
        else:
            if isinstance(content, type(empty)):
                return content
            problems.append(f"{name} does not hold what it should (a {type(empty).__name__}).")
        return empty

    config = read("config.yaml", yaml.safe_load, {})
    versions = read("versions.yaml", yaml.safe_load, {})
    metrics = read("metrics.csv", _metrics, [])
    entries = read("samples/index.json", json.loads, [])
    summary = read("summary.json", json.loads, {})
    pictures = [_picture(path / "samples", e) for e in entries if isinstance(e, dict)]
    missing = sum(picture.png is None for picture in pictures)
    if missing:
        problems.append(f"{missing} of the pictures in samples/index.json are missing.")
    stages = summary.get("stages")
    rows = [_row(r) for r in stages if isinstance(r, dict)] if isinstance(stages, list) else []
    if not rows and (path / "summary.json").exists():
        problems.append("summary.json holds no stage yet.")
    evaluated = {row.stage for row in rows}
    for stage in dict.fromkeys(stage for stage, _ in metrics):
        if rows and stage not in evaluated:
            problems.append(f"Stage {stage} has begun and has not been evaluated.")
    return Run(path, config, versions, metrics, pictures, summary, rows, problems)


def as_number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _metrics(text: str) -> list[tuple[str, dict[str, float]]]:
    """Rows with an update count; a last line that was cut off is left out."""
    rows = []
    for cells in csv.DictReader(text.splitlines()):
        stage = cells.pop("stage", None)
        found = {key: as_number(cell) for key, cell in cells.items() if isinstance(key, str)}
        numbers = {key: value for key, value in found.items() if value is not None}
        if "update" in numbers and stage is not None:
            rows.append((stage, numbers))
    return rows


def _row(entry: dict[str, Any]) -> Row:
    known = {key: as_number(value) for key, value in entry.items()}
    return Row(
        str(entry.get("name", "?")),
        int(known.get("num_steps") or 0),
        str(entry.get("sampler") or ""),
        known.get("w"),
        {key: value for key, value in known.items() if key not in {"name", "sampler", "w"}},
    )


def _picture(folder: Path, entry: dict[str, Any]) -> Picture:
    file = (folder / str(entry.get("file", ""))).resolve()
    png = None
    # Only pictures of this run: an index may come from somebody else.
    if file.is_relative_to(folder.resolve()) and file.is_file():
        content = file.read_bytes()
        png = content if content.startswith(b"\x89PNG\r\n\x1a\n") else None
    num_steps = as_number(entry.get("num_steps"))
    return Picture(
        str(entry.get("stage", "")),
        None if num_steps is None else int(num_steps),
        as_number(entry.get("w")),
        str(entry.get("kind", "grid")),
        str(entry.get("caption") or entry.get("stage") or ""),
        png,
    )
