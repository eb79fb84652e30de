"""What is known of a run from its folder; files that are not there yet are listed, not fatal."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from genrl.foreign import require_finite
from genrl.registry import ConfigurationError

_FILES = {
    "config.yaml": "written when a run starts",
    "versions.yaml": "written when a run starts",
    "metrics.csv": "written during training",
    "samples/index.json": "written when a stage ends",
    "summary.json": "written when a stage ends",
}


_LARGEST = 1e150


class Documented(Protocol):
    """What runs of every task have in common."""

    @property
    def path(self) -> Path:
        """Of the folder."""

    @property
    def config(self) -> dict[str, Any]:
        """Empty where ``config.yaml`` is missing."""

    @property
    def versions(self) -> dict[str, Any]:
        """Of packages."""


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


class Files:
    """Reads the files of a run's folder and lists what is wrong with them.

    Args:
        path: of the folder.
        known: names of the files, each with when it is written.

    Raises:
        ConfigurationError: if there is no such folder, or nothing of a run in it.
    """

    def __init__(self, path: Path, known: Mapping[str, str]) -> None:
        if not path.is_dir():
            raise ConfigurationError(f"there is no run folder {path}: check the path")
        if not any((path / name).is_file() for name in known):
            raise ConfigurationError(
                f"{path} is not the folder of a run: it has none of {', '.join(known)}"
            )
        self.path, self.known = path, known
        self.problems: list[str] = []
        self.unwanted: Sequence[str] = ()  # files that nobody misses

    def read(self, name: str, parse: Callable[[str], Any], empty: Any) -> Any:
        """The parsed content, or ``empty`` where it is missing, damaged or of another type."""
        try:
            content = parse((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if name not in self.unwanted:
                self.problems.append(f"{name} is missing ({self.known[name]}).")
        except (ValueError, OSError, RecursionError, yaml.YAMLError, csv.Error) as error:
            self.problems.append(f"{name} cannot be read ({type(error).__name__}).")
        else:
            if isinstance(content, type(empty)):
                return content
            kind = type(empty).__name__
            self.problems.append(f"{name} does not hold what it should (a {kind}).")
        return empty


def read_run(path: Path) -> Run:
    """Everything that the folder holds.

    Raises:
        ConfigurationError: if there is no such folder, or nothing of a run in it.
    """
    files = Files(path, _FILES)
    problems, read = files.problems, files.read
    config = read("config.yaml", parse_yaml, {})
    if is_without_evaluation(config):
        files.unwanted = ("samples/index.json", "summary.json")
    versions = read("versions.yaml", parse_yaml, {})
    metrics = read("metrics.csv", parse_metrics, [])
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


def is_without_evaluation(config: Mapping[str, Any]) -> bool:
    """Whether a run was told to measure nothing."""
    choice = config.get("evaluation")
    return isinstance(choice, dict) and choice.get("name") == "none"


def task(path: Path) -> str:
    """What a run is about: ``agent`` or ``diffusion``; its config says so, else its files do."""
    try:
        config = parse_yaml((path / "config.yaml").read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError, yaml.YAMLError):
        config = None
    if isinstance(config, dict):
        return str(config.get("task", "diffusion"))
    return "agent" if (path / "evaluations.jsonl").is_file() else "diffusion"


def as_number(value: Any) -> float | None:
    """A number that can be squared, or None for anything else; 0 for what is too small to be."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    if abs(found) * _LARGEST < 1:
        return 0.0
    return found if abs(found) < _LARGEST else None


def parse_yaml(text: str) -> Any:
    """Its values.

    Raises:
        ValueError: if there is no end of them.
    """
    values = yaml.safe_load(text)
    require_finite(values, "the file")
    return values


def parse_metrics(text: str) -> list[tuple[str, dict[str, float]]]:
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
