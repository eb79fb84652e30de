"""An image folder gives its images and labels, cached or not, and a held-out part."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrl.data import (
    ExampleSet,
    ImageFileSet,
    ImageFolderSource,
    TensorSet,
    TrainLoader,
    data_sources,
)
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

WriteImages = Callable[..., None]

NAMES = [f"train/{name}/{i:02}.png" for name in ("cat", "dog") for i in range(10)]


def values(examples: ExampleSet | None) -> list[int]:
    """The grey value of each image."""
    assert examples is not None
    x = next(examples.in_order(1000)).x
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_images_labels_and_spec(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES)
    source = ImageFolderSource(root=str(tmp_path / "train"), held_out_fraction=0.0)
    assert source.spec == DataSpec((3, 6, 8), 2)
    assert source.class_names == ("cat", "dog")
    assert source.default_feature == "classifier"
    train = source.train()
    assert isinstance(train, TensorSet)
    assert source.train() is train
    assert source.held_out() is None
    assert values(train) == list(range(20))
    assert train.labels is not None
    assert train.labels.tolist() == [0] * 10 + [1] * 10


def test_without_a_folder_beside_it_a_part_of_each_class_is_held_out(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(*NAMES)
    source = ImageFolderSource(root=str(tmp_path / "train"), held_out_fraction=0.2)
    held_out = source.held_out()
    assert held_out is not None
    assert held_out.labels is not None
    assert held_out.labels.tolist() == [0, 0, 1, 1]
    assert sorted(values(source.train()) + values(held_out)) == list(range(20))
    assert [value >= 10 for value in values(held_out)] == [False, False, True, True]


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_the_folder_beside_it_is_held_out(
    tmp_path: Path, write_images: WriteImages, name: str
) -> None:
    write_images(*NAMES, f"{name}/dog/a.png")
    source = ImageFolderSource(root=str(tmp_path / "train"))
    held_out = source.held_out()
    assert held_out is not None
    assert held_out.labels is not None
    assert held_out.labels.tolist() == [1]
    assert values(source.train()) == list(range(20))
    assert values(held_out) == [20]


def test_a_given_folder_is_held_out(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES, "test/cat/a.png", "other/cat/b.png", "other/cat/c.png")
    root = str(tmp_path / "train")
    source = ImageFolderSource(root=root, held_out=str(tmp_path / "other"))
    assert values(source.held_out()) == [21, 22]
    with pytest.raises(ConfigurationError, match="Did you mean 'other'"):
        ImageFolderSource(root=root, held_out=str(tmp_path / "othr"))


def test_a_held_out_image_is_checked_as_the_training_images_are(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(*NAMES)
    write_images("test/cat/a.png", size=(9, 9))
    source = ImageFolderSource(root=str(tmp_path / "train"))
    source.train()
    with pytest.raises(ConfigurationError, match=r"test/cat/a\.png has 9x9 pixels"):
        source.held_out()


def test_images_without_labels(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*(f"{i}.png" for i in range(10)))
    source = ImageFolderSource(root=str(tmp_path))
    assert source.spec == DataSpec((3, 6, 8), 0)
    assert source.default_feature == "identity"
    assert source.train().labels is None
    assert source.train().batch(torch.tensor([0])).label is None
    assert len(source.train()) == 9
    assert len(values(source.held_out())) == 1
    write_images("deep/er/a.png")
    assert len(ImageFolderSource(root=str(tmp_path), use_labels=False).train()) == 10


def test_files_read_for_every_batch_give_what_the_cache_gives(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "train" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(path)
    sets = [
        ImageFolderSource(root=str(tmp_path / "train"), cache=cache, size=5, num_threads=2).train()
        for cache in (True, False)
    ]
    assert isinstance(sets[1], ImageFileSet)
    assert sets[1].is_lazy
    assert sets[0].fingerprint() == sets[1].fingerprint()
    batches = [list(TrainLoader(s, batch_size=4, num_batches=9, seed=0)) for s in sets]
    for cached, lazy in zip(*batches, strict=True):
        assert torch.equal(cached.x, lazy.x)
        assert torch.equal(cached.label, lazy.label)  # type: ignore[arg-type]


def test_only_training_images_are_flipped(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES)
    root = str(tmp_path / "train")
    for cache in (True, False):
        source = ImageFolderSource(root=root, cache=cache)
        held_out = source.held_out()
        assert held_out is not None
        assert source.train().is_augmented
        assert not held_out.is_augmented
        assert not ImageFolderSource(root=root, cache=cache, flip=False).train().is_augmented


def test_the_fingerprint_sees_size_and_channels(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES, size=(8, 8))
    root = str(tmp_path / "train")
    prints = {
        ImageFolderSource(root=root, size=size, channels=channels).train().fingerprint()
        for size in (None, 8, 4)
        for channels in (1, 3)  # type: ignore[misc]
    }
    assert len(prints) == 6


def test_mixed_sizes_need_a_size(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES)
    write_images("train/dog/04.png", size=(10, 7))
    root = str(tmp_path / "train")
    source = ImageFolderSource(root=root)
    with pytest.raises(ConfigurationError) as caught:
        source.train()
    assert str(caught.value) == (
        f"{root}/dog/04.png has 10x7 pixels, but {root}/cat/00.png has 8x6: "
        "give data.size=<pixels> to resize and crop all images"
    )
    assert ImageFolderSource(root=root, size=4).train().batch(torch.arange(3)).x.shape[2:] == (4, 4)


def test_a_broken_file_is_named_at_loading_or_at_its_batch(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(*NAMES)
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    bad = tmp_path / "train/dog/15.jpg"
    Image.fromarray(noise).save(bad)
    bad.write_bytes(bad.read_bytes()[:-60])
    root = str(tmp_path / "train")
    message = f"{bad} cannot be read as an image"
    with pytest.raises(ConfigurationError, match=message):
        ImageFolderSource(root=root, held_out_fraction=0.0).train()
    lazy = ImageFolderSource(root=root, held_out_fraction=0.0, cache=False).train()
    lazy.batch(torch.arange(20))
    with pytest.raises(ConfigurationError, match=message):
        lazy.batch(torch.tensor([3, 20]))
    with pytest.raises(ConfigurationError, match=message):
        list(TrainLoader(lazy, batch_size=7, num_batches=3, seed=0))


def test_a_cache_larger_than_the_memory_is_refused(
    tmp_path: Path, write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(*NAMES)
    source = ImageFolderSource(root=str(tmp_path / "train"), size=10_000_000)
    with pytest.raises(ConfigurationError, match=r"holds 5,400,000 GB.*data.cache=false"):
        source.train()
    monkeypatch.delattr(os, "sysconf")
    assert len(ImageFolderSource(root=str(tmp_path / "train")).train()) == 18


def test_parameters_are_checked(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(*NAMES)
    with pytest.raises(ConfigurationError, match=r"needs a value for 'root'.*data.root="):
        data_sources.build("image_folder")
    config = {"name": "image_folder", "root": str(tmp_path / "train")}
    with pytest.raises(ConfigurationError, match="'2' is not a value of 'channels'"):
        data_sources.build(config | {"channels": 2})
    for key, value in (("size", 0), ("num_threads", -1), ("held_out_fraction", 1.0)):
        with pytest.raises(ConfigurationError, match=key):
            data_sources.build(config | {key: value})
    assert data_sources.build(config | {"channels": 1}).spec.shape == (1, 6, 8)


def test_thousands_of_small_images_load_in_seconds(tmp_path: Path) -> None:
    """Far below the limit: it catches a load that is quadratic or starts a thread for each file."""
    image = Image.fromarray(np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "a").mkdir()
    for i in range(2000):
        image.save(tmp_path / "a" / f"{i}.jpg")
    start = time.perf_counter()
    ImageFolderSource(root=str(tmp_path)).train()
    assert time.perf_counter() - start < 10
