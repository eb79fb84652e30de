"""Checkpoints: tensors and plain values, whole or not there, checked before they are believed."""

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from genrl.files import existing, write_whole
from genrl.foreign import require_finite
from genrl.registry import ConfigurationError


class DamagedCheckpointError(ConfigurationError):
    """The file is truncated or altered."""


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint; a failure leaves the one before whole.

    Raises:
        ConfigurationError: if it cannot be written, a full disk included.
    """

    def write(file: Any) -> None:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:
            # torch wraps the OSError of a full disk in its own words.
            raise OSError(
                28, f"No space left on device, or: {str(error).splitlines()[0]}"
            ) from error

    write_whole(path, write)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU with ``weights_only=True``.

    Raises:
        DamagedCheckpointError: if the file is truncated or a checksum is wrong.
        ConfigurationError: if it is missing or holds anything but tensors and plain values.
    """
    existing(path, "checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            # torch compresses nothing: what is packed here could be of any size.
            packed = [info.filename for info in archive.infolist() if info.compress_type]
            broken = None if packed else archive.testzip()
            # torch reads nothing for what is marked as a folder and returns memory as it was.
            folders = [info.filename for info in archive.infolist() if info.external_attr]
    except Exception as error:  # zipfile answers an altered byte with a dozen types
        if path.is_file() and _is_pickle(path):
            raise _refused(path) from error
        raise DamagedCheckpointError(
            f"{path} is truncated or no checkpoint: {_line(error)}"
        ) from error
    if broken is not None or folders or packed:
        part = [*packed, *folders, broken][0] or "a part without a name"
        raise DamagedCheckpointError(f"{path} is damaged: {part} is not what was written")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise _refused(path) from error
    except Exception as error:  # and so does torch
        raise DamagedCheckpointError(f"{path} is damaged: {_line(error)}") from error
    about = checkpoint.get("genrl") if isinstance(checkpoint, dict) else None
    if not isinstance(about, dict) or not isinstance(about.get("updates"), int):
        raise ConfigurationError(f"{path} is no checkpoint of genrl")
    require_finite(about, path)
    found: dict[str, Any] = checkpoint
    return found


def _line(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())}".rstrip()


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _refused(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is refused: it holds more than tensors and plain values, "
        "and opening it could run code"
    )
