"""One line of the verification: what was proved, what was measured, and the verdict."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from genrl.registry import ConfigurationError
from genrl.testing.diffusion.figures import CheckError, Figures

Verdict = Literal["green", "red", "impossible"]


@dataclass(frozen=True)
class Row:
    """A component or a combination of components.

    Args:
        kind: config group of the component.
        subject: its name, and what it was combined with.
        verdict: red where a promise is broken; impossible where a component objects.
        figures: what was measured.
        reason: why it is red or impossible, in one line.
    """

    kind: str
    subject: str
    verdict: Verdict
    figures: Figures = field(default_factory=dict)
    reason: str = ""


def prove(
    kind: str, subject: str, check: Callable[..., Figures], *arguments: Any, **options: Any
) -> Row:
    """Run a check; whatever it raises is the reason of a red row."""
    try:
        return Row(kind, subject, "green", check(*arguments, **options))
    except CheckError as error:
        return Row(kind, subject, "red", error.figures, _line(error))
    except Exception as error:
        return Row(kind, subject, "red", {}, f"{type(error).__name__}: {_line(error)}")


def impossible(kind: str, subject: str, reason: str, figures: Figures | None = None) -> Row:
    """The row of what a component objects to."""
    return Row(kind, subject, "impossible", figures or {}, " ".join(reason.split()))


def not_buildable(kind: str, subject: str, error: Exception) -> Row:
    """The row of what cannot be built: for want of a value, or by a fault of its constructor."""
    if isinstance(error, ConfigurationError):
        return impossible(kind, subject, str(error))
    return Row(kind, subject, "red", {}, f"{type(error).__name__}: {_line(error)}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
