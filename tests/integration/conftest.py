"""The table of faults, which the tests that inject them fill, after pytest's own summary."""

from collections.abc import Callable
from typing import Any

import pytest

Survived = Callable[..., None]


@pytest.fixture
def survived(record_property: Callable[[str, object], None]) -> Survived:
    """Note, as the last line of a test: the fault, how often it was tried, and what was lost."""

    def note(fault: str, *, lost: str, tried: int = 1) -> None:
        record_property("fault", [fault, str(tried), lost])

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A row for each fault; one that is not survived is a test that fails."""
    rows = [["fault", "survived", "lost"]]
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            found = [value for name, value in report.user_properties if name == "fault"]
            rows += [[name, f"{tried} of {tried}", lost] for name, tried, lost in found]
            if outcome == "failed" and "test_faults.py" in report.nodeid:
                rows.append([report.nodeid.partition("::")[2], "no", "see above"])
    if len(rows) == 1:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    terminalreporter.section("faults")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
