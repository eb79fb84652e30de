"""A tensor set gives the right rows, in [-1, 1], and mirrors each example by its own generator."""

import hashlib

import numpy as np
import pytest
import torch

from genrl.data import TensorSet
from genrl.data.augmentations import random_flips
from genrl.diffusion.noise import generators_for

IMAGES = torch.arange(6 * 3 * 2 * 4, dtype=torch.uint8).reshape(6, 3, 2, 4)
LABELS = torch.tensor([3, 1, 4, 1, 5, 2])


def test_bytes_become_floats_from_minus_one_to_one() -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    x = TensorSet(every).batch(torch.arange(256)).x.flatten()
    assert x.dtype == torch.float32
    expected = np.arange(256) / 127.5 - 1
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-7)
    assert x[0] == -1
    assert x[255] == 1


def test_rows_come_in_the_order_of_the_indices() -> None:
    indices = torch.tensor([4, 0, 4])
    x, label = TensorSet(IMAGES, LABELS.int()).batch(indices)
    assert torch.equal(((x + 1) * 127.5).round().byte(), IMAGES[indices])
    assert label is not None
    assert label.dtype == torch.int64
    assert label.tolist() == [5, 3, 5]


def test_floating_point_data_is_unchanged_but_for_its_type() -> None:
    data = torch.tensor([[5.0, -7.0]], dtype=torch.float64)
    x, label = TensorSet(data).batch(torch.tensor([0]))
    assert x.dtype == torch.float32
    assert x.tolist() == [[5.0, -7.0]]
    assert label is None


def test_in_order_visits_everything_once_unflipped() -> None:
    examples = TensorSet(IMAGES, LABELS, flip=True)
    batches = list(examples.in_order(4))
    assert [len(batch.x) for batch in batches] == [4, 2]
    assert torch.equal(torch.cat([b.label for b in batches]), LABELS)  # type: ignore[misc]
    whole = TensorSet(IMAGES, LABELS).batch(torch.arange(6)).x
    assert torch.equal(torch.cat([b.x for b in batches]), whole)


def test_a_flip_mirrors_the_width_of_half_of_the_examples() -> None:
    images = torch.rand(1, 2, 3, 5).expand(4000, -1, -1, -1)
    flipped = random_flips(images, torch.Generator().manual_seed(0))
    is_flipped = (flipped != images).flatten(1).any(1)
    assert torch.equal(flipped[is_flipped][0], images[0].flip(2))
    assert abs(is_flipped.float().mean().item() - 0.5) < 4 * 0.5 / 4000**0.5


def test_with_a_generator_for_each_example_a_flip_does_not_depend_on_the_others() -> None:
    examples = TensorSet(torch.rand(64, 1, 3, 3), flip=True)
    indices = torch.arange(64)
    whole = examples.batch(indices, generators_for(0, range(64))).x
    part = examples.batch(indices[10:20], generators_for(0, range(10, 20))).x
    assert torch.equal(part, whole[10:20])
    assert not torch.equal(whole, examples.batch(indices).x)


def test_without_flip_the_generators_are_ignored() -> None:
    examples = TensorSet(IMAGES)
    assert not examples.is_augmented
    generators = generators_for(0, range(6))
    x = examples.batch(torch.arange(6), generators).x
    assert torch.equal(x, examples.batch(torch.arange(6)).x)


def test_the_fingerprint_differs_with_contents_order_labels_type_and_shape() -> None:
    other = IMAGES.clone()
    other[5, 2, 1, 3] ^= 1
    sets = [
        TensorSet(IMAGES),
        TensorSet(IMAGES, LABELS),
        TensorSet(IMAGES, LABELS.flip(0)),
        TensorSet(IMAGES.flip(0)),
        TensorSet(other),
        TensorSet(IMAGES.reshape(6, 3, 4, 2)),
        TensorSet(IMAGES.float()),
    ]
    assert len({examples.fingerprint() for examples in sets}) == len(sets)
    assert TensorSet(IMAGES.clone()).fingerprint() == TensorSet(IMAGES, flip=True).fingerprint()


def test_the_fingerprint_is_the_sha256_of_the_contents() -> None:
    digest = hashlib.sha256(b"torch.uint8 (6, 3, 2, 4)" + bytes(IMAGES.flatten().tolist()))
    assert TensorSet(IMAGES).fingerprint() == digest.hexdigest()[:16]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.empty(0, 2),), "at least one example"),
        ((IMAGES, LABELS[:5]), "5 labels were given for 6 examples"),
        ((IMAGES.long(),), "uint8 images or floating-point data, not torch.int64"),
    ],
)
def test_mistakes_are_refused(arguments: tuple[torch.Tensor, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorSet(*arguments)


def test_too_few_generators_are_refused() -> None:
    with pytest.raises(ValueError, match="5 generators were given for 6 images"):
        random_flips(IMAGES, generators_for(0, range(5)))
