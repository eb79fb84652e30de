"""Tables that are linear between their entries: entry i lies at t = i / (T - 1).

In float64 on the device of the argument, and returned in the argument's type.
"""

from jaxtyping import Float64
from torch import Tensor, searchsorted


def entry_at(table: Float64[Tensor, " entries"], t: Tensor) -> Tensor:
    """The table's value at t in [0, 1], of any shape; differentiable in t."""
    table = table.to(t.device)
    position = t.double() * (len(table) - 1)
    index = position.detach().long().clamp(0, len(table) - 2)
    left, right = table[index], table[index + 1]
    return (left + (position - index) * (right - left)).to(t.dtype)


def place_of(table: Float64[Tensor, " entries"], value: Tensor) -> Tensor:
    """The inverse for a rising table: t of a value; one beyond the ends gives the end."""
    table = table.to(value.device)
    wanted = value.double().clamp(table[0], table[-1])
    index = searchsorted(table, wanted, right=True).sub(1).clamp(0, len(table) - 2)
    left, right = table[index], table[index + 1]
    position = index + (wanted - left) / (right - left)
    return (position / (len(table) - 1)).to(value.dtype)
