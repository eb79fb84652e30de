"""Examples that are held in memory as one tensor."""

import hashlib

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from genrl.data.augmentations import random_flips
from genrl.data.base import ExampleBatch, ExampleSet
from genrl.diffusion.noise import Generators
from genrl.typing import Data, Labels

Bytes = UInt8[Tensor, "batch *shape"]


class TensorSet(ExampleSet):
    """The rows of one tensor.

    Args:
        data: uint8 images (kept so, a byte for each value; a batch maps 0..255 to [-1, 1]) or
            floating-point data (given as float32, unchanged).
        labels: class of each row, or None.
        flip: whether images are mirrored at random.
        fingerprint: of the files that the data was read from; by default a hash of the data.

    Raises:
        ValueError: if there are no rows, if the numbers of rows and labels differ, or if the data
            has another type.
    """

    def __init__(
        self,
        data: Tensor,
        labels: Labels | None = None,
        *,
        flip: bool = False,
        fingerprint: str | None = None,
    ) -> None:
        if len(data) == 0:
            raise ValueError("a set of examples needs at least one example")
        if labels is not None and len(labels) != len(data):
            raise ValueError(f"{len(labels)} labels were given for {len(data)} examples")
        if data.dtype != torch.uint8 and not data.is_floating_point():
            raise ValueError(f"examples are uint8 images or floating-point data, not {data.dtype}")
        self._data = data
        self._labels = None if labels is None else labels.long()
        self._fingerprint = fingerprint
        self.is_augmented = flip

    def __len__(self) -> int:
        return len(self._data)

    @property
    def labels(self) -> Labels | None:
        return self._labels

    def batch(self, indices: Int[Tensor, " batch"], generators: Generators = None) -> ExampleBatch:
        rows = self._data[indices]
        if self.is_augmented:
            rows = random_flips(rows, generators)
        x = images_from_bytes(rows) if rows.dtype == torch.uint8 else rows.float()
        return ExampleBatch(x, None if self._labels is None else self._labels[indices])

    def fingerprint(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = _hash(self._data, self._labels)
        return self._fingerprint


def images_from_bytes(values: Bytes) -> Data:
    """0..255 as float32 in [-1, 1]."""
    return values.float().div_(127.5).sub_(1.0)


def _hash(data: Tensor, labels: Tensor | None) -> str:
    digest = hashlib.sha256(f"{data.dtype} {tuple(data.shape)}".encode())
    for tensor in (data, labels):
        if tensor is not None:
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:16]
