"""Numbers that files hold."""

from typing import Any

import pytest

from genrl.report.reading import as_number


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, 3.0),
        ("-2.5", -2.5),
        (1e149, 1e149),
        (1e151, None),
        (-1e151, None),
        (2.2e-308, 0.0),
        (float("nan"), None),
        ("inf", None),
        (True, None),
        ([1], None),
        ("many", None),
        (10**400, None),
    ],
)
def test_a_number_can_be_squared(value: Any, found: float | None) -> None:
    assert as_number(value) == found
