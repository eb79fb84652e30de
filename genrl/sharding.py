"""Weights that are divided among processes by torch's ``fully_shard``.

Each process keeps a part of every weight, of its gradient, of the optimizer's state and of every
copy. A block of the network is put together where it computes and taken apart again. What looks
at weights from outside of a network sees the parts, as ``DTensor``: sums over them communicate, so
that every process must call them. Zhao et al. 2023, PyTorch FSDP.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from genrl import processes


def blocks(network: nn.Module) -> list[nn.Module]:
    """What is gathered at a time: the members of the network's outermost lists, or all of it."""
    return list(_members(network)) or [network]


def _members(module: nn.Module) -> Iterable[nn.Module]:
    for child in module.children():
        is_container = isinstance(child, nn.ModuleList | nn.ModuleDict)
        if isinstance(module, nn.ModuleList) and not is_container:
            if any(True for _ in child.parameters()):
                yield child
        else:
            yield from _members(child)


def divide(network: nn.Module, mesh: Any) -> None:
    """Each process keeps its part of the network's weights; scalars stay whole.

    Args:
        network: called by its ``forward`` alone, and so are its blocks.
        mesh: one-dimensional, of all processes; the parts lie on its kind of device.
    """
    from torch.distributed.fsdp import fully_shard

    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()  # fully_shard takes no other layout
    scalars = {parameter for parameter in network.parameters() if parameter.ndim == 0}
    for part in [*(block for block in blocks(network) if block is not network), network]:
        # Always taken apart again: between forward passes, averages and checkpoints look at parts.
        fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=scalars)


def is_divided(value: object) -> bool:
    """Whether this is a ``DTensor``, whose import takes long where nothing is divided."""
    return isinstance(value, Tensor) and hasattr(value, "to_local")


def local(value: Tensor) -> Tensor:
    """This process' part, or all of what is not divided; shares its memory."""
    part: Any = value
    return part.to_local() if is_divided(value) else value


@torch.no_grad()
def whole(state: Any) -> Any:
    """A state with the parts put together on the CPU; communicates.

    The first process gets all, which is to be stored, the others nothing in the place of a tensor.
    What is not divided stays as it is, everywhere.

    Args:
        state: nested dictionaries and lists.
    """
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(whole(value) for value in state)
    if not is_divided(state):
        return state
    full: Tensor = state.full_tensor()
    return full.cpu() if processes.rank() == 0 else full.new_empty(0)


def divided_like(value: Tensor, other: Tensor) -> Tensor:
    """This process' part of a whole that all have, on the device and divided as another tensor."""
    value = value.to(other.device)
    if not is_divided(other) or value.shape != other.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    there: Any = other
    return distribute_tensor(value, there.device_mesh, there.placements, src_data_rank=None)


def groups(parameters: Sequence[nn.Parameter]) -> list[Any]:
    """Parameters for an optimizer, which cannot take divided ones together with whole ones."""
    kinds = [[p for p in parameters if is_divided(p) is kind] for kind in (True, False)]
    return [{"params": kind} for kind in kinds] if all(kinds) else list(parameters)


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """`torch.nn.utils.clip_grad_norm_` over the parts of all processes; communicates.

    Args:
        parameters: whose gradients are scaled.
        limit: largest norm of all together.

    Returns:
        The norm before that, the same everywhere.
    """
    parameters = list(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not any(is_divided(gradient) for gradient in gradients):
        return nn.utils.clip_grad_norm_(parameters, limit)
    parts = [local(g) for g in gradients if is_divided(g)]
    others = [g for g in gradients if not is_divided(g)]
    square = nn.utils.get_total_norm(parts).square()
    if processes.are_several():
        distributed.all_reduce(square)
    norm = (square + nn.utils.get_total_norm(others).square().to(square)).sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    for gradient in (*parts, *others):
        gradient.mul_(factor)
    return norm
