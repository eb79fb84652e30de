"""The folder of a sweep: which jobs it has, and which of them became runs.

Hydra writes ``multirun.yaml`` when a sweep begins, and job i gets the folder ``i`` beside it. A job
that a kill came before has no folder; what it was to be follows from the sweep's own overrides.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from genrl.config import read_yaml
from genrl.files import existing
from genrl.registry import ConfigurationError

_FILE = "multirun.yaml"
_SUBDIR = "${hydra.job.num}"


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        path: of its folder, which need not exist.
        overrides: of ``genrl train``; None where only its folder is known.
    """

    path: Path
    overrides: tuple[str, ...] | None

    @property
    def is_run(self) -> bool:
        """Whether it got so far that it can be resumed."""
        return (self.path / "config.yaml").is_file()


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (path / _FILE).is_file()


def jobs(path: Path) -> list[Job]:
    """The jobs of a sweep in their order.

    Those of another sweeper than Hydra's basic one are the runs that lie there.

    Raises:
        ConfigurationError: if ``multirun.yaml`` is damaged.
    """
    hydra = read_yaml(path / _FILE).get("hydra", {})
    try:
        basic = str(hydra["sweeper"]["_target_"]).endswith(".BasicSweeper")
        words = [str(word) for word in hydra["overrides"]["task"]]
        is_numbered = hydra["sweep"]["subdir"] == _SUBDIR
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{path / _FILE} is no sweep of Hydra's: {error}") from error
    if basic and is_numbered:
        return [
            Job(path / str(number), tuple(overrides))
            for number, overrides in enumerate(_expanded(words))
        ]
    return [Job(found.parent, None) for found in sorted(path.glob("*/config.yaml"))]


def runs(path: Path) -> list[Path]:
    """The run folders that a word of the command line means: a run itself, or those of a sweep.

    Raises:
        ConfigurationError: if no job of a sweep became a run.
    """
    existing(path, "run folder")
    if not is_sweep(path):
        return [path]
    found = [job.path for job in jobs(path) if job.is_run]
    if not found:
        raise ConfigurationError(
            f"no job of the sweep {path} has begun yet: go on with genrl resume {path}"
        )
    return found


def _expanded(words: list[str]) -> list[list[str]]:
    """The overrides of each job, as Hydra's sweeper orders them."""
    parser: Any = OverridesParser.create()
    try:
        (chunk,) = BasicSweeper.split_arguments(parser.parse_overrides(words), None)
    except HydraException as error:
        raise ConfigurationError(f"the sweep's overrides are damaged: {error}") from error
    return [list(job) for job in chunk]
