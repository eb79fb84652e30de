"""Numbers as a person writes them."""

import pytest

from genrl.evaluation.statistics import Interval, Summary
from genrl.report.agents.words import counted, duration, interval, score


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-153.26, "-153.3"),
        (3214.6, "3,215"),
        (999.96, "1,000"),
        (36.0, "36.0"),
        (9.123, "9.12"),
        (-0.01234, "-0.0123"),
    ],
)
def test_scores(value: float, text: str) -> None:
    assert score(value) == text


def test_intervals_counts_and_times() -> None:
    assert interval(Summary(1.0, Interval(-1500.2, 20.0), 3, "seeds")) == "[-1,500, 20.0]"
    assert interval(Summary(1.0, None, 1, "seeds")) == "–"
    assert (counted(1, "seed"), counted(2, "seed")) == ("1 seed", "2 seeds")
    assert [duration(s) for s in (3.24, 300.0, 9000.0)] == ["3.2 s", "5.0 min", "2.5 h"]
