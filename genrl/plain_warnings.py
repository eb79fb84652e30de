"""A warning of genrl in a line, for a person who typed a command and does not read our code."""

import os
import warnings
from pathlib import Path

_HOME = f"{Path(__file__).parent}{os.sep}"
_with_code = warnings.formatwarning


def say_in_a_line() -> None:
    """Show what genrl warns of by its words alone; other packages' warnings keep their place."""
    warnings.formatwarning = _format


def _format(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    if category is UserWarning and filename.startswith(_HOME):
        return f"genrl: warning: {' '.join(str(message).split())}\n"
    return _with_code(message, category, filename, lineno, line)
