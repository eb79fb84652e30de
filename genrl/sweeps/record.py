"""What became of the jobs of a sweep: ``job.yaml`` in the folder of each.

It is written when a job begins and again when it ends; a job that has one without an exit code was
killed, or runs still.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from genrl.config import read_yaml
from genrl.files import write_text
from genrl.registry import ConfigurationError

_FILE = "job.yaml"


@dataclass(frozen=True)
class JobRecord:
    """One job.

    Args:
        overrides: of ``genrl train``.
        exit_code: of its process; None where it has not ended.
        reason: why it failed, in one line.
    """

    overrides: list[str]
    exit_code: int | None = None
    reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.exit_code == 0

    @classmethod
    def read(cls, path: Path) -> "JobRecord | None":
        """That of a job's folder; None before it begins.

        Raises:
            ConfigurationError: if the file is damaged.
        """
        file = path / _FILE
        if not file.is_file():
            return None
        values = read_yaml(file)
        overrides, code, reason = (values.get(key) for key in cls.__dataclass_fields__)
        if (
            not isinstance(overrides, list)
            or not all(isinstance(word, str) for word in overrides)
            or not isinstance(code, int | None)
            or not isinstance(reason, str | None)
        ):
            raise ConfigurationError(f"{file} is no record of a job")
        return cls(overrides, code, reason)

    def write(self, path: Path) -> None:
        """Replace that of a job's folder."""
        write_text(path / _FILE, yaml.safe_dump(asdict(self), sort_keys=False))


def records(sweep: Path) -> dict[Path, JobRecord]:
    """Folder -> record of every job of a sweep that has begun, in the order of their numbers."""
    found = {path.parent: JobRecord.read(path.parent) for path in sweep.glob(f"*/{_FILE}")}
    return {path: record for path, record in sorted(found.items(), key=_number) if record}


def _number(item: tuple[Path, JobRecord | None]) -> tuple[int, str]:
    name = item[0].name
    return (int(name) if name.isdecimal() else -1, name)
