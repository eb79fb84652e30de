"""What a check measures, and how it says that something is wrong."""

import math

from genrl.testing.autoreset import ConformanceError

Figures = dict[str, float]


class CheckError(ConformanceError):
    """The message says what was found and what the contract demands.

    Args:
        message: one line.
        figures: what was measured all the same.
    """

    def __init__(self, message: str, figures: Figures | None = None) -> None:
        super().__init__(message)
        self.figures = figures or {}


def require(holds: bool, message: str, figures: Figures | None = None) -> None:
    """Refuse what does not hold.

    Raises:
        CheckError: with the message and the figures so far.
    """
    if not holds:
        raise CheckError(message, figures)


def require_small(figures: Figures, key: str, limit: float, what: str) -> None:
    """Refuse a figure above its limit; NaN is above every limit.

    Raises:
        CheckError: naming figure and limit.
    """
    value = figures[key]
    require(value <= limit, f"{what}: off by {value:.2g}, more than {limit:.0e}", figures)


def rate(first: float, second: float, refinement: float) -> float:
    """The order of convergence that two errors show when steps become ``refinement`` times as many.

    Errors of rounding alone count as infinitely good.
    """
    if second < 1e-11:
        return math.inf
    return math.log(first / second) / math.log(refinement)
