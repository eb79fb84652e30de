"""Python values as plain dicts, numbers and tensors, which a checkpoint can hold, and back.

Arrays, numpy's scalars, tuples, queues and random generators come back as what they were: an
environment that adds a float32 scalar rounds differently from one that adds a float.
"""

from collections import deque
from typing import Any

import numpy as np
import torch

GENERATORS = {
    kind.__name__: kind
    for kind in (
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.MT19937,
        np.random.Philox,
        np.random.SFC64,
    )
}
MAX_INT = 2**63


class NotPlainError(TypeError):
    """The value is an object of some other class."""


def encode(value: Any) -> Any:
    """The value as what a checkpoint can hold.

    Raises:
        NotPlainError: if it, or something in it, is an object that has no plain form.
    """
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int:
        return value if abs(value) < MAX_INT else {"int": str(value)}
    if isinstance(value, np.str_):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufc":
            raise NotPlainError(str(value.dtype))
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: torch.from_numpy(np.array(value))}
    if isinstance(value, np.random.Generator):
        return {"generator": encode(dict(value.bit_generator.state))}
    if type(value) in (list, tuple):
        return {type(value).__name__: [encode(item) for item in value]}
    if type(value) is deque:
        return {"deque": [encode(item) for item in value], "maxlen": value.maxlen}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: encode(item) for key, item in value.items()}}
    raise NotPlainError(type(value).__name__)


def decode(plain: Any) -> Any:
    """Inverse of `encode`; arrays are copies."""
    if not isinstance(plain, dict):
        return plain
    kind, content = next(iter(plain.items()))
    if kind == "int":
        return int(content)
    if kind == "array":
        return content.numpy().copy()
    if kind == "scalar":
        return content.numpy()[()]
    if kind == "generator":
        state = decode(content)
        generator = np.random.Generator(GENERATORS[state["bit_generator"]]())
        generator.bit_generator.state = state
        return generator
    if kind == "dict":
        return {key: decode(item) for key, item in content.items()}
    items = [decode(item) for item in content]
    if kind == "deque":
        return deque(items, maxlen=plain["maxlen"])
    return tuple(items) if kind == "tuple" else items


def equal(one: Any, other: Any) -> bool:
    """Whether two encoded values are the same bit for bit, NaN included."""
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.numpy().tobytes() == other.numpy().tobytes()
        )
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(equal(one[key], other[key]) for key in one)
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and repr(one) == repr(other)
