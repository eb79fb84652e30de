"""A device that is not the CPU to whoever asks, and computes on it: a GPU's refusals without a GPU.

    with elsewhere():
        model.to(ELSEWHERE)(x.to(ELSEWHERE))

A tensor on `ELSEWHERE` holds one of the CPU. Inside, every operation of torch is looked at, and
refused where CUDA refuses it: tensors of two devices together, but for numbers without dimensions
and for indices; a random generator of another device than what it draws. Results are the CPU's, bit
for bit. What only a GPU shows are its kernels, precisions, speed and memory.

The device's name is ``meta``, for torch knows no other one that needs no driver; tensors that are
on it before are not understood inside.
"""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any, Self
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = torch.device("meta")

aten = torch.ops.aten
_COPYING = (aten.copy_.default, aten._to_copy.default)
_INDEXING = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
)
_JOINING = (aten.stack.default, aten.cat.default)  # even of numbers


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Tensors can be moved to `ELSEWHERE`, and are computed with, inside.

    Raises:
        RuntimeError: from an operation that a GPU would refuse.
    """
    is_enabled = torch.is_autocast_enabled
    patches: list[contextlib.AbstractContextManager[Any]] = [
        mock.patch.object(torch, "Generator", _Generator),
        mock.patch.object(torch, "autocast", _Autocast),
        mock.patch.object(
            torch, "is_autocast_enabled", lambda *kinds: is_enabled(*map(_known, kinds))
        ),
        # Fused optimizers would not know the device's name.
        mock.patch.object(
            importlib.import_module("torch.optim.adam"), "_device_dtype_check_for_fused"
        ),
    ]
    with contextlib.ExitStack() as stack:
        for context in [*patches, _Calls(), _Operations()]:
            stack.enter_context(context)
        yield


class _Elsewhere(Tensor):
    """A tensor on `ELSEWHERE`."""

    here: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, here: Tensor) -> Self:
        made: Self = Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=ELSEWHERE,
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(function, args, kwargs or {})

    def tolist(self) -> Any:
        return self.here.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        # As a checkpoint of a GPU is opened where there is none.
        return self.here.__reduce_ex__(protocol)  # type: ignore[no-untyped-call]


class _KindOfGenerator(type(torch.Generator)):  # type: ignore[misc]
    def __instancecheck__(cls, value: object) -> bool:
        return issubclass(type(value), torch._C.Generator)


class _Generator(torch.Generator, metaclass=_KindOfGenerator):
    """On the CPU, whatever it says of its device."""

    is_elsewhere: bool

    def __new__(cls, device: Any = "cpu") -> Self:
        made: Self = super().__new__(cls, _known(device))  # type: ignore[call-arg]
        made.is_elsewhere = _is_elsewhere(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return ELSEWHERE if self.is_elsewhere else torch.device("cpu")

    def manual_seed(self, seed: int) -> Self:
        super().manual_seed(seed)
        return self


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(_known(device_type), *args, **kwargs)


class _Calls(TorchFunctionMode):
    """What operations no longer show: a generator's device; the values of ``torch.tensor``."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        if function in (torch.tensor, torch.as_tensor) and _is_elsewhere(device):
            return function(*args, **{**kwargs, "device": "cpu"}).to(device)
        leaves = tree_leaves((args, kwargs))
        for generator in [leaf for leaf in leaves if isinstance(leaf, torch.Generator)]:
            if _is_elsewhere(generator.device) != _goes_there(leaves, device):
                raise RuntimeError(
                    f"{function.__name__}: a generator on '{generator.device}' draws no numbers of "
                    "another device"
                )
        return function(*args, **kwargs)


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on the CPU, if a GPU would have it."""
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, _Elsewhere)]
    device = kwargs.get("device")
    goes_there = _goes_there(leaves, device)
    if there:
        _check(function, args, leaves)

    known = {id(tensor.here): tensor for tensor in there}
    inner_args, inner_kwargs = tree_map(
        lambda leaf: leaf.here if isinstance(leaf, _Elsewhere) else leaf, (args, kwargs)
    )
    if device is not None:
        inner_kwargs["device"] = _known(device)
    result = function(*inner_args, **inner_kwargs)
    if function is aten.copy_.default:
        return args[0]

    def back(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not goes_there:
            return leaf
        return known[id(leaf)] if id(leaf) in known else _Elsewhere(leaf)

    return tree_map(back, result)


def _check(function: Any, args: Any, leaves: list[Any]) -> None:
    """Refuse tensors of the CPU beside those elsewhere."""
    if function in _COPYING:
        return
    if function in _INDEXING:
        leaves = [args[0], *args[2:]]  # the indices may be the CPU's
    here = [
        leaf
        for leaf in leaves
        if isinstance(leaf, Tensor)
        and not isinstance(leaf, _Elsewhere)
        and (leaf.ndim or function in _JOINING)
    ]
    if here:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in here)
        raise RuntimeError(
            f"{function}: all tensors must be on one device, but those of shape {shapes} are on "
            "the CPU and others are not"
        )


def _goes_there(leaves: list[Any], device: Any) -> bool:
    """Whether the result is elsewhere: where it is asked for, or where the arguments are."""
    if device is not None:
        return _is_elsewhere(device)
    return any(isinstance(leaf, _Elsewhere) for leaf in leaves)


def _is_elsewhere(device: Any) -> bool:
    return device is not None and torch.device(device) == ELSEWHERE


def _known(device: Any) -> Any:
    """The device to compute on."""
    return "cpu" if _is_elsewhere(device) else device
