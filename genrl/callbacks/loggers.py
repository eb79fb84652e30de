"""Loggers that can fail without stopping a run: no network, no login, a full quota.

A `SafeLogger` stands between the run and a logger of Lightning's. The first failure is told once
and silences it; ``metrics.csv`` and the pictures lie in the run folder all the same.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from genrl.callbacks.media import send_picture, send_video
from genrl.config import instantiate
from genrl.registry import ConfigurationError


class SafeLogger(Logger):
    """Passes everything on until the logger fails, and then nothing more.

    Args:
        label: what the config calls it.
        logger: one of Lightning's.
        say: tells a person of the failure.
    """

    def __init__(self, label: str, logger: Logger, say: Callable[[str], None]) -> None:
        super().__init__()
        self.label, self.logger, self.say = label, logger, say
        self.has_failed = False

    @property
    def name(self) -> str:
        """What the config calls it."""
        return self.label

    @property
    def version(self) -> None:
        """None: to ask for some loggers' version opens their connection."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Numbers after so many updates."""
        self._try(lambda: self.logger.log_metrics(dict(metrics), step))

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's config."""
        self._try(lambda: self.logger.log_hyperparams(params, *args, **kwargs))

    @rank_zero_only
    def log_file(self, path: Path, step: int) -> None:
        """A picture (PNG) or a video (MP4) of the run folder."""
        send = send_picture if path.suffix == ".png" else send_video
        self._try(lambda: send(self.logger, path, step))

    @rank_zero_only
    def save(self) -> None:
        """Write what is waiting."""
        self._try(self.logger.save)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """The run is over."""
        self._try(lambda: self.logger.finalize(status))

    def _try(self, send: Callable[[], object]) -> None:
        if self.has_failed:
            return
        try:
            send()
        except Exception as error:  # a logger's package may raise anything
            self.has_failed = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self.say(
                f"warning: the logger '{self.label}' failed and gets nothing more; training goes "
                f"on, and metrics.csv has every number ({reason})"
            )


def build_loggers(
    choices: Mapping[str, Mapping[str, Any]] | None, folder: Path, say: Callable[[str], None]
) -> list[SafeLogger]:
    """The loggers of a config.

    Args:
        choices: name -> ``_target_`` and its arguments; None for no logger.
        folder: of the run; those that write files write them there.
        say: tells a person of a failure.

    Raises:
        ConfigurationError: if a logger's package is not installed, or an argument is refused.
    """
    return [
        SafeLogger(name, _build(name, choice, folder), say)
        for name, choice in (choices or {}).items()
    ]


def _build(name: str, choice: Mapping[str, Any], folder: Path) -> Logger:
    given = {"save_dir": str(folder), **choice}
    if str(choice.get("_target_", "")).endswith(".WandbLogger"):
        # The same id after every resume: one curve in one run.
        own = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        given = {"name": folder.name, "id": own, "resume": "allow", **given}
    try:
        logger = instantiate(given)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"logger={name} needs a package that is not installed: pip install {name} "
            f"({' '.join(str(error).split())})"
        ) from error
    assert isinstance(logger, Logger)
    return logger
