"""Turning what goes wrong in a file into one line that says which file and how to mend it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from genrl.files import existing
from genrl.registry import ConfigurationError


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """What h5py, numpy, json and Minari raise on a damaged file becomes a ConfigurationError.

    Raises:
        ConfigurationError: if the file is damaged, cut short or may not be read.
    """
    try:
        yield
    except ConfigurationError:
        raise
    except PermissionError as error:
        raise ConfigurationError(f"{path} may not be read: {error.strerror}") from error
    except ImportError as error:
        raise ConfigurationError(f"{path} needs a package to be read: {error}") from error
    except Exception as error:  # an altered byte is answered with a dozen types
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError(
            f"{path} is damaged, cut short or of another format ({reason}): "
            "copy, download or record it again"
        ) from error


def existing_file(path: str, what: str) -> Path:
    """The path of a file.

    Raises:
        ConfigurationError: if there is none; it names the nearest sibling.
    """
    file = existing(Path(path).expanduser(), what)
    if file.is_dir():
        raise ConfigurationError(
            f"{file} is a folder, not {what}; a folder is read as a Minari data set: "
            f"demonstrations=minari demonstrations.path={file}"
        )
    return file
