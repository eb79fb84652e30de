"""What is known of an agent's run from its folder; what is not there yet is listed, not fatal."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genrl.report.reading import Files, as_number, is_without_evaluation, parse_metrics, parse_yaml

_FILES = {
    "config.yaml": "written when a run starts",
    "versions.yaml": "written when a run starts",
    "metrics.csv": "written during training",
    "evaluations.jsonl": "written during training",
    "summary.json": "written when a run ends",
}
_MOST_BYTES = 1_500_000  # of a video inside the page


@dataclass(frozen=True)
class Evaluation:
    """Episodes of the policy after so many updates.

    Args:
        update: iterations of the algorithm.
        env_steps: steps of environments.
        seconds: of training, evaluations left out.
        returns: of the episodes, at least one.
    """

    update: float
    env_steps: float
    seconds: float
    returns: tuple[float, ...]

    @property
    def score(self) -> float:
        """The run's score: the mean over its episodes."""
        return float(np.mean(self.returns))


@dataclass(frozen=True)
class Video:
    """An MP4 file; ``mp4`` is None where it cannot be shown, and ``caption`` says why."""

    caption: str
    mp4: bytes | None


@dataclass(frozen=True, eq=False)
class AgentRun:
    """An agent's run as far as it has got.

    Args:
        path: of the folder.
        config: empty where ``config.yaml`` is missing.
        versions: of packages.
        metrics: rows of numbers, ``update`` among them.
        evaluations: in the order of training.
        videos: of its policy.
        summary: empty before the run's end.
        problems: what is missing or cannot be read, a sentence each.
    """

    path: Path
    config: dict[str, Any]
    versions: dict[str, Any]
    metrics: list[dict[str, float]]
    evaluations: list[Evaluation]
    videos: list[Video]
    summary: dict[str, Any]
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the experiment, or of the folder."""
        return str(self.config.get("name") or self.path.name)

    @property
    def seed(self) -> str:
        """Of the run, or a question mark."""
        return str(self.summary.get("seed", self.config.get("seed", "?")))

    @property
    def env(self) -> str:
        """Id of the environment."""
        choice = self.config.get("env")
        known = choice.get("id") or choice.get("name") if isinstance(choice, dict) else choice
        return str(self.summary.get("env") or known or "unknown environment")

    @property
    def algorithm(self) -> str:
        """Its registered name."""
        return self._chosen("algorithm") or "unknown algorithm"

    @property
    def learner(self) -> str:
        """The algorithm, or the policy where the algorithm can only be cloning."""
        policy = self._chosen("policy") if self.algorithm == "cloning" else None
        return policy or self.algorithm

    @property
    def imitation_loss(self) -> str | None:
        """Its registered name; None where the environment gives the reward."""
        return self._chosen("imitation_loss")

    @property
    def expert_return(self) -> float | None:
        """Mean return of the demonstrations, where there were any."""
        return as_number(self.summary.get("expert_return"))

    @property
    def final(self) -> Evaluation | None:
        """The last evaluation."""
        return self.evaluations[-1] if self.evaluations else None

    def _chosen(self, kind: str) -> str | None:
        choice = self.config.get(kind)
        name = choice.get("name") if isinstance(choice, dict) else choice
        found = self.summary.get(kind) or name
        return None if found is None else str(found)


def read_agent_run(path: Path) -> AgentRun:
    """Everything that the folder holds.

    Raises:
        ConfigurationError: if there is no such folder, or nothing of a run in it.
    """
    files = Files(path, _FILES)
    config = files.read("config.yaml", parse_yaml, {})
    if is_without_evaluation(config):
        files.unwanted = ("evaluations.jsonl",)
    versions = files.read("versions.yaml", parse_yaml, {})
    metrics = files.read("metrics.csv", parse_metrics, [])
    lines = files.read("evaluations.jsonl", _lines, [])
    summary = files.read("summary.json", json.loads, {})
    evaluations = [found for line in lines if (found := _evaluation(line)) is not None]
    if len(evaluations) < len(lines):
        lost = len(lines) - len(evaluations)
        files.problems.append(f"{lost} lines of evaluations.jsonl are not evaluations.")
    if not evaluations and (path / "evaluations.jsonl").is_file():
        files.problems.append("evaluations.jsonl holds no evaluation yet.")
    numbers = [row for _, row in metrics]
    return AgentRun(
        path, config, versions, numbers, evaluations, _videos(path), summary, files.problems
    )


def _lines(text: str) -> list[Any]:
    """A last line without its end was being written, and is left out; others may be damaged."""
    return [_parsed(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _evaluation(entry: Any) -> Evaluation | None:
    if not isinstance(entry, dict):
        return None
    update = as_number(entry.get("update"))
    given = entry.get("returns")
    returns = [as_number(value) for value in given] if isinstance(given, list) else []
    known = tuple(value for value in returns if value is not None)
    if update is None or not known or len(known) < len(returns):
        return None
    env_steps = as_number(entry.get("env_steps")) or 0.0
    seconds = as_number(entry.get("seconds")) or 0.0
    if min(update, env_steps, seconds) < 0:
        return None
    return Evaluation(update, env_steps, seconds, known)


def _videos(path: Path) -> list[Video]:
    folder = path / "videos"
    try:
        entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return []
    if not isinstance(entries, list):
        return []
    return [_video(folder, entry) for entry in entries if isinstance(entry, dict)]


def _video(folder: Path, entry: dict[str, Any]) -> Video:
    total, length = as_number(entry.get("return")), as_number(entry.get("length"))
    shown = as_number(entry.get("shown"))
    caption = "" if total is None or length is None else f"return {total:,.5g} in {length:,g} steps"
    if shown is not None and length is not None and shown < length:
        caption += f", the first {shown:,g} of them shown"
    file = (folder / str(entry.get("file", ""))).resolve()
    # Only videos of this run: an index may come from somebody else.
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return Video(f"{caption} (the file is missing)", None)
    if file.stat().st_size > _MOST_BYTES:
        return Video(f"{caption} (too large for a page: videos/{file.name})", None)
    content = file.read_bytes()
    if content[4:8] != b"ftyp":
        return Video(f"{caption} (videos/{file.name} is no MP4 file)", None)
    return Video(caption, content)
