"""The folder of a run: what lies where, and how it is read and written."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from genrl import checkpoints
from genrl.config import read_yaml
from genrl.files import existing, write_text
from genrl.foreign import require_own_files
from genrl.provenance import recorded_plugins, require_plugins, versions
from genrl.registry import ConfigurationError, suggest
from genrl.schemas import completed

_STAGE: dict[str, type] = {"is_guided": bool, "config": dict}


class RunFolder:
    """``config.yaml versions.yaml checkpoints/ samples/ metrics.csv summary.json report.html``.

    Args:
        path: of the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / "last.ckpt"
        self.previous = self.checkpoints / "previous.ckpt"
        self.samples = path / "samples"
        self.metrics = path / "metrics.csv"
        self.summary = path / "summary.json"
        self.report = path / "report.html"

    @classmethod
    def create(cls, path: Path, config: dict[str, Any]) -> "RunFolder":
        """A new run with its config and versions.

        Raises:
            ConfigurationError: if a run lies there already.
        """
        folder = cls(path)
        if (path / "config.yaml").exists():
            raise ConfigurationError(
                f"{path} holds a run already: go on with it (genrl resume {path}) "
                "or choose another hydra.run.dir"
            )
        write_text(path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        write_text(path / "versions.yaml", yaml.safe_dump(versions(config), sort_keys=False))
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run.

        Raises:
            ConfigurationError: if there is none, which names the nearest; if a link in it leads out
                of it; or if its components come from a plugin that is not installed.
        """
        existing(path, "run folder")
        require_own_files(path)
        if not (path / "config.yaml").is_file():
            inside = [str(p.parent) for p in sorted(path.glob("*/config.yaml"))]
            hint = f" Did you mean {inside[-1]}?" if inside else ""
            raise ConfigurationError(f"{path} is no run folder: it has no config.yaml.{hint}")
        folder = cls(path)
        if (path / "versions.yaml").is_file():
            plugins = recorded_plugins(read_yaml(path / "versions.yaml"))
            if plugins:
                require_plugins(path, folder.config(), plugins)
        return folder

    def inside(self, name: str, what: str) -> Path:
        """A path of this folder by a name from a config, which may come from somebody else.

        Args:
            name: relative to the folder; an absolute one may lie in it too.
            what: the key of the config that says so.

        Raises:
            ConfigurationError: if it leads out of the folder.
        """
        own = os.path.abspath(self.path)
        path = os.path.abspath(os.path.join(own, os.path.expanduser(name)))
        if os.path.commonpath([own, path]) != own:
            raise ConfigurationError(
                f"{what}={name} leads out of {self.path}: what a run writes stays in its folder. "
                "Give a name in it; for another disk, choose hydra.run.dir there"
            )
        return Path(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process from training this run; a process that dies lets go of it.

        Raises:
            ConfigurationError: if another process trains it, or nothing can be written here.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ConfigurationError(
                f"{self.path} is being trained by another process: wait until it ends, or stop it"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot be written ({error.strerror}): make it writable, or copy it "
                "to where it is and go on there: genrl resume COPY"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def config(self) -> dict[str, Any]:
        """The config that the run was started with.

        Raises:
            ConfigurationError: if it is missing or damaged.
        """
        path = self.path / "config.yaml"
        return completed(read_yaml(path), path)

    def stage_checkpoint(self, stage: str) -> Path:
        """Where the student of a stage is kept."""
        return self.checkpoints / f"{stage}.ckpt"

    def snapshot(self, stage: str, step: int) -> Path:
        """Where the averages of a stage at one of its steps are kept."""
        return self.path / "averages" / stage / f"{step:08d}.ckpt"

    def snapshots(self, stage: str) -> list[Path]:
        """The stored averages of a stage, first to last."""
        return sorted((self.path / "averages" / stage).glob("*.ckpt"))

    def finished_stages(self) -> list[str]:
        """Stages whose students are there, in the order in which they were finished.

        An average that was made of a stage (``genrl ema``) comes right after it.
        """
        paths = set(self.checkpoints.glob("*.ckpt")) - {self.last, self.previous}
        order = {path: checkpoints.load(path)["genrl"]["updates"] for path in paths}
        return [path.stem for path in sorted(paths, key=lambda path: (order[path], path.stem))]

    def load_stage(self, stage: str | None) -> dict[str, Any]:
        """The checkpoint of a stage, or of the last finished one.

        Raises:
            ConfigurationError: if no stage of that name is finished.
        """
        finished = self.finished_stages()
        if not finished:
            raise ConfigurationError(
                f"no stage of {self.path} is finished yet: genrl resume {self.path}"
            )
        if stage is None:
            loaded = map(self._load_stage, reversed(finished))
            return next(found for found in loaded if "sigma_rel" not in found["genrl"])
        if stage not in finished:
            raise ConfigurationError(
                f"{self.path} has no finished stage '{stage}'.{suggest(stage, finished)} "
                f"Stages: {', '.join(finished)}"
            )
        return self._load_stage(stage)

    def _load_stage(self, stage: str) -> dict[str, Any]:
        """Files are named after the stage that a checkpoint holds: it must be the one it is."""
        path = self.stage_checkpoint(stage)
        found = checkpoints.load(path)
        for key, kind in _STAGE.items():
            if not isinstance(found["genrl"].get(key), kind):
                raise ConfigurationError(
                    f"{path} is no checkpoint of a stage: its {key} is damaged"
                )
        held = found["genrl"].get("stage")
        if held != stage:
            raise ConfigurationError(
                f"{path} holds the stage {str(held)[:99]!r}, not '{stage}': give it its own name"
            )
        return found

    def read_summary(self) -> dict[str, Any]:
        """``summary.json``, empty before the first evaluation."""
        if not self.summary.exists():
            return {}
        try:
            summary = json.loads(self.summary.read_text())
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{self.summary} is not readable JSON: {error}") from error
        if not isinstance(summary, dict):
            raise ConfigurationError(f"{self.summary} does not hold a mapping")
        return summary

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Replace ``summary.json``."""
        write_text(self.summary, json.dumps(summary, indent=1) + "\n")
