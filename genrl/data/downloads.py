"""Opening a torchvision data set: files that are there are used, missing ones downloaded."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from genrl.registry import ConfigurationError

_TIMEOUT = 10.0


def open_dataset(
    dataset: Callable[..., Any], root: str, *, is_train: bool, download: bool, title: str
) -> Any:
    """The torchvision data set, with its files in ``root``.

    Args:
        dataset: class of torchvision.datasets that takes root, train and download.
        root: folder of the files.
        is_train: whether the training part is opened.
        download: whether missing files are downloaded; a server that is silent for 10 s is given
            up.
        title: what the data set is called in a message.

    Raises:
        ConfigurationError: if the files are missing or damaged and cannot be downloaded.
    """
    folder = Path(root).expanduser().absolute()
    try:
        return dataset(str(folder), train=is_train, download=False)
    except (RuntimeError, OSError):
        reason = "downloading is switched off: give data.download=true"
    if download:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The processes of one machine take turns; the first one downloads.
            with FileLock(folder / ".download.lock"), _socket_timeout(_TIMEOUT):
                return dataset(str(folder), train=is_train, download=True)
        except (RuntimeError, OSError) as error:
            reason = f"the download failed ({' '.join(str(error).split())[:200]})"
    raise ConfigurationError(
        f"{title} is not complete in {folder}, and {reason}; copy its files there, or choose "
        "data=digits, which needs none, or your own images with data=image_folder data.root=..."
    )


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
