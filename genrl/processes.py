"""Sums, means and parts over the processes that train one run together.

With one process, or before training has connected them, everything here is the identity. Each
process holds the same weights; what differs between them is the data that they look at. A function
of this module that communicates must be called by every process, in the same order.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed


def are_several() -> bool:
    """Whether this process is one of several."""
    return world_size() > 1


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if _are_connected() else 0


def world_size() -> int:
    """How many there are."""
    return distributed.get_world_size() if _are_connected() else 1


def _are_connected() -> bool:
    return distributed.is_available() and distributed.is_initialized()


@torch.no_grad()
def mean(values: Tensor) -> Tensor:
    """The mean over the processes of a tensor that each has its own of; communicates."""
    if not are_several():
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / world_size()


@torch.no_grad()
def mean_of_each(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same for scalars under names, in one message."""
    if not are_several() or not values:
        return values
    means = mean(torch.stack([value.double() for value in values.values()]))
    return {name: value.to(values[name].dtype) for name, value in zip(values, means, strict=True)}


def mean_of_numbers(values: dict[str, float]) -> dict[str, float]:
    """The same for plain numbers."""
    if not are_several():
        return values
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    return {name: value.item() for name, value in mean_of_each(tensors).items()}


@torch.no_grad()
def average_gradients(gradients: Sequence[Tensor]) -> None:
    """Each gradient becomes its mean over the processes, in one message."""
    if not are_several():
        return
    flat = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, average in zip(gradients, parts, strict=True):
        gradient.copy_(average.view_as(gradient))


def part_of(values: Tensor, dimension: int = 0) -> Tensor:
    """This process' contiguous part of what all hold, or all of it where it cannot be divided."""
    count, size = world_size(), values.shape[dimension]
    if count == 1 or not is_divisible(size):
        return values
    return values.narrow(dimension, rank() * (size // count), size // count)


def is_divisible(size: int) -> bool:
    """Whether each process can take an equal part of so many."""
    return size % world_size() == 0


@torch.no_grad()
def gather(values: Tensor) -> Tensor:
    """The parts of all processes joined along the first dimension, in their order; communicates."""
    if not are_several():
        return values
    parts = [torch.empty_like(values) for _ in range(world_size())]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def gather_objects(value: Any) -> list[Any]:
    """A plain value of each process, in their order; communicates."""
    if not are_several():
        return [value]
    found: list[Any] = [None] * world_size()
    distributed.all_gather_object(found, value)
    return found


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if are_several():
        distributed.barrier()


class LostProcessError(RuntimeError):
    """Another process of the run has died."""
