"""The digits are scikit-learn's, scaled exactly, split without overlap."""

import torch
from sklearn.datasets import load_digits

from genrl.data import DigitsSource, data_sources
from genrl.typing import DataSpec


def test_the_two_parts_together_are_the_data_of_scikit_learn() -> None:
    source = DigitsSource()
    held_out = source.held_out()
    assert held_out is not None
    parts = [next(part.in_order(2000)) for part in (source.train(), held_out)]
    x = torch.cat([part.x for part in parts])
    labels = torch.cat([part.label for part in parts])  # type: ignore[misc]
    rows = {
        (*image.flatten().tolist(), label) for image, label in zip(x, labels.tolist(), strict=True)
    }
    digits = load_digits()
    assert len(x) == len(digits.target) == 1797
    expected = {
        (*(v / 8 - 1 for v in image), label)
        for image, label in zip(digits.data.tolist(), digits.target.tolist(), strict=True)
    }
    assert rows == expected
    assert x.min() == -1
    assert x.max() == 1


def test_the_held_out_part_has_a_fifth_of_each_class() -> None:
    source = DigitsSource()
    held_out = source.held_out()
    assert held_out is not None
    assert held_out.labels is not None
    total = torch.from_numpy(load_digits().target).bincount()
    assert torch.equal(held_out.labels.bincount(), (total / 5).round().long())


def test_an_image_looks_like_its_label() -> None:
    """The nearest class mean of the training part names 9 of 10 held-out digits."""
    source = DigitsSource()
    held_out = source.held_out()
    assert held_out is not None
    x, labels = next(source.train().in_order(2000))
    means = torch.stack([x[labels == digit].mean(0) for digit in range(10)]).flatten(1)
    test, truth = next(held_out.in_order(2000))
    nearest = torch.cdist(test.flatten(1), means).argmin(1)
    assert (nearest == truth).float().mean() > 0.85


def test_what_the_source_says_of_itself() -> None:
    source = data_sources.build("digits")
    assert source.spec == DataSpec((1, 8, 8), 10)
    assert source.class_names == tuple("0123456789")
    assert source.default_feature == "digits"
    assert source.value_range == (-1.0, 1.0)
    assert source.train() is source.train()


def test_nothing_is_held_out_on_request() -> None:
    source = DigitsSource(held_out_fraction=0.0)
    assert source.held_out() is None
    assert len(source.train()) == 1797
