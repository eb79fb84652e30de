import pytest

from genrl.report.words import number, significant, steps, weight


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (9.999, "10.0"),
        (0.0999, "0.0999"),
        (0.09999, "0.100"),
        (12.345, "12.3"),
        (123.4, "123"),
        (1296.4, "1,296"),
        (0.000123, "0.000123"),
        (0.0000123, "1.23e-05"),
        (-0.5, "-0.500"),
        (2e12, "2.00e+12"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_styles() -> None:
    assert number(None) == "–"
    assert number(1.05, "ratio") == "1.05×"
    assert number(0.9861, "percent") == "98.6 %"
    assert number(12345, "count") == "12,345"
    seconds = [number(s, "seconds") for s in (2.5, 0.027, 0.00097)]
    assert seconds == ["2.50 s", "27.0 ms", "970 µs"]
    assert (weight(None), weight(0.5)) == ("without guidance weight", "w\u00a0=\u00a00.5")
    assert (steps(1), steps(8)) == ("1 step", "8 steps")
