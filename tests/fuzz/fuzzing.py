"""Many cases of one property, and ways to damage what was whole.

The property of every reader: whatever it is given, it returns something valid or raises an error
that the command line tells in one line; never anything that ends in a traceback.
"""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrl.registry import ConfigurationError

T = TypeVar("T")

CASES = pytest.mark.parametrize("cases", [50, pytest.param(10_000, marks=pytest.mark.slow)])


def explore(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], cases: int) -> None:
    """Check so many cases; all of them were new ones to try, and their number is printed."""
    tried = 0

    def counted(case: Any) -> None:
        nonlocal tried
        tried += 1
        check(case)

    settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=cases < 1000,
        suppress_health_check=list(HealthCheck),
    )(given(strategy)(counted))()
    print(f"tried {tried} cases")
    assert tried >= cases


def refused_or(read: Callable[[], T]) -> T | None:
    """What is read, or None where it is refused in words."""
    try:
        return read()
    except ConfigurationError as error:
        message = str(error)
        assert message.strip()
        assert "Traceback" not in message
        return None


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file after a few accidents: flipped bits, other bytes, holes, cuts, insertions, an end."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["bit", "bytes", "zeros", "cut", "insert", "end", "repeat"]))
        length = draw(st.integers(1, 64))
        if kind == "bit" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "bytes":
            some = draw(st.binary(min_size=1, max_size=16))
            data[place : place + len(some)] = some
        elif kind == "zeros":
            data[place : place + length] = bytes(len(data[place : place + length]))
        elif kind == "cut":
            del data[place : place + length]
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "repeat":
            data[place:place] = data[place : place + length]
        else:
            del data[place:]
    return bytes(data)


WORDS = st.text(max_size=12) | st.sampled_from(
    ["", "name", "nan", "-1", "1e999", "None", "null", "../..", "a.b", "___", "${x}", "<script>"]
)
NUMBERS = (
    st.integers()
    | st.floats(allow_subnormal=False)
    | st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308])
)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def altered(draw: st.DrawFn, whole: Any) -> Any:
    """Plain values of which a few, anywhere inside, are others, or gone, or have company."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        value = _altered(draw, value)
    return value


def _altered(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value, key=repr)))
        what = draw(st.sampled_from(["inside", "inside", "gone", "more"]))
        if what == "gone":
            del value[key]
        elif what == "more":
            value[draw(WORDS)] = draw(JUNK)
        else:
            value[key] = _altered(draw, value[key])
        return value
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        what = draw(st.sampled_from(["inside", "inside", "gone", "more"]))
        if what == "gone":
            del value[place]
        elif what == "more":
            value.insert(place, draw(JUNK))
        else:
            value[place] = _altered(draw, value[place])
        return value
    return draw(JUNK)
