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
from genrl.run_folder import RunFolder

ALLOWED = ("CSVLogger", "TensorBoardLogger", "WandbLogger")
WANDB_SETTINGS = ("init_timeout", "console", "silent", "quiet", "mode")


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
    choices: Mapping[str, Mapping[str, Any]] | None, folder: RunFolder, say: Callable[[str], None]
) -> list[SafeLogger]:
    """The loggers of a config.

    Args:
        choices: name -> ``_target_`` and its arguments; None for no logger.
        folder: of the run; those that write files write them there.
        say: tells a person of a failure.

    Raises:
        ConfigurationError: if a logger is none of `ALLOWED`, its package is not installed, an
            argument is refused, or it would write outside of the folder.
    """
    return [
        SafeLogger(name, _build(name, choice, folder), say)
        for name, choice in (choices or {}).items()
    ]


def _build(name: str, choice: Mapping[str, Any], folder: RunFolder) -> Logger:
    target = str(choice.get("_target_", ""))
    kind = target.rpartition(".")[2]
    if target not in {f"lightning.pytorch.loggers.{allowed}" for allowed in ALLOWED}:
        raise ConfigurationError(
            f"logger.{name}._target_={target} is not allowed; "
            f"loggers are lightning.pytorch.loggers. {', '.join(ALLOWED)}"
        )
    given = {**choice, "save_dir": str(folder.inside(choice.get("save_dir", "."), "save_dir"))}
    if kind == "WandbLogger":
        # The same id after every resume: one curve in one run.
        own = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:16]
        given = {"name": folder.path.name, "id": own, "resume": "allow", **given}
        _require_harmless(name, given)
    try:
        logger = instantiate(given, Logger)  # type: ignore[type-abstract]
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"logger={name} needs a package that is not installed: pip install {name} "
            f"({' '.join(str(error).split())})"
        ) from error
    # Made of name, version and more; wandb's folder has no other parts.
    if kind != "WandbLogger":
        folder.inside(str(getattr(logger, "log_dir", ".")), f"the folder of logger.{name}")
    return logger


def _require_harmless(name: str, given: Mapping[str, Any]) -> None:
    """Where wandb writes and whom it sends to is for the user's own environment to say."""
    settings = given.get("settings") or {}
    unknown = [f"settings.{key}" for key in settings if key not in WANDB_SETTINGS]
    unknown += [key for key in ("dir",) if key in given]
    if unknown:
        raise ConfigurationError(
            f"logger.{name}.{unknown[0]} is not taken from a config: wandb reads it from its own "
            "environment variables"
        )
