"""Values survive a checkpoint as what they were."""

import io
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch

from genrl.envs.plain_values import NotPlainError, decode, encode, equal

VALUES: list[Any] = [
    None,
    True,
    3,
    2**200,
    -(2**64),
    0.1,
    float("nan"),
    "text",
    np.float32(0.1),
    np.int64(4),
    np.bool_(True),
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.array([np.nan, -0.0]),
    np.zeros((0, 2), np.uint8),
    (1, 2.0, np.float64(3)),
    [1, [np.ones(2)]],
    deque([np.zeros(2), np.ones(2)], maxlen=2),
    {"a": 1, "b": {"c": (None,)}},
]


def through_a_checkpoint(plain: Any) -> Any:
    file = io.BytesIO()
    torch.save(plain, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_with_their_types(value: Any) -> None:
    plain = encode(value)
    back = decode(through_a_checkpoint(plain))
    assert type(back) is type(value)
    assert equal(encode(back), plain)
    if isinstance(value, np.ndarray | np.generic):
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert back.tobytes() == value.tobytes()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_go_on_where_they_were(kind: str) -> None:
    generator = np.random.Generator(getattr(np.random, kind)(7))
    generator.random(5, dtype=np.float32)
    back = decode(through_a_checkpoint(encode(generator)))
    assert np.array_equal(generator.random(100), back.random(100))
    assert np.array_equal(generator.integers(9, size=9), back.integers(9, size=9))


def test_arrays_are_copies() -> None:
    value = np.zeros(2)
    plain = encode(value)
    value += 1
    back = decode(plain)
    back += 2
    assert decode(plain).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, [object()], np.array([object()]), {1}],
    ids=["object", "dict", "list", "array", "set"],
)
def test_objects_are_refused(value: Any) -> None:
    with pytest.raises(NotPlainError):
        encode(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.0, np.float64(0.0)),
        (np.float32(1), np.float64(1)),
        (np.zeros(2), np.zeros((2, 1))),
        (np.array([0.0]), np.array([-0.0])),
        ([1], (1,)),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_differences_are_seen(one: Any, other: Any) -> None:
    assert not equal(encode(one), encode(other))
