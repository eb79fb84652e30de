"""CIFAR-10 and Fashion-MNIST are read from files as published; a failed download is one line."""

import os
import pickle
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets

from genrl.data import Cifar10Source, FashionMnistSource
from genrl.data.downloads import open_dataset
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

RANDOM = np.random.default_rng(0)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float | None]]:
    """No network: what was asked for, and the socket timeout at that moment."""
    made: list[tuple[str, float | None]] = []

    def refuse(request: Any, *args: object, **options: object) -> None:
        url = request if isinstance(request, str) else request.full_url
        made.append((url, socket.getdefaulttimeout()))
        raise urllib.error.URLError("Name or service\nnot known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return made


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, list[int]]:
    """Six images in the format of CIFAR-10; the checksums of the real files are left out."""
    kind = torchvision.datasets.CIFAR10
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    images, labels = RANDOM.integers(0, 256, (6, 3072), dtype=np.uint8), [3, 1, 4, 1, 5, 9]
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        entry = {"data": images[i : i + 1], "labels": labels[i : i + 1]}
        # The real files are of an old NumPy, which pickled two flags of the type as numbers.
        old = pickle.dumps(entry, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
        (folder / name).write_bytes(old)
    meta = {"label_names": list(Cifar10Source.class_names)}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))
    monkeypatch.setattr(kind, "train_list", [[name, None] for name, _ in kind.train_list])
    monkeypatch.setattr(kind, "test_list", [[name, None] for name, _ in kind.test_list])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": None})
    return images, labels


def write_fashion(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A few images in the IDX format of Fashion-MNIST."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    parts = {}
    for part, number in (("train", 5), ("t10k", 3)):
        images = RANDOM.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        labels = RANDOM.integers(0, 10, number, dtype=np.uint8)
        head = struct.pack(">IIII", 0x803, number, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">II", 0x801, number)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
        parts[part] = images, labels
    return parts


def test_cifar10_is_read_from_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[object]
) -> None:
    images, labels = write_cifar(tmp_path, monkeypatch)
    source = Cifar10Source(root=str(tmp_path))
    assert source.spec == DataSpec((3, 32, 32), 10)
    for examples, rows in ((source.train(), slice(0, 5)), (source.held_out(), slice(5, 6))):
        x, label = next(examples.in_order(10))
        expected = images[rows].reshape(-1, 3, 32, 32) / 127.5 - 1  # rows of red, then green, blue
        np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)
        assert label is not None
        assert label.tolist() == labels[rows]
    assert source.train().is_augmented
    assert not source.held_out().is_augmented
    assert source.train() is source.train()
    assert not requests


def test_fashion_mnist_is_read_from_its_files(tmp_path: Path, requests: list[object]) -> None:
    parts = write_fashion(tmp_path)
    source = FashionMnistSource(root=str(tmp_path))
    assert source.spec == DataSpec((1, 28, 28), 10)
    for examples, part in ((source.train(), "train"), (source.held_out(), "t10k")):
        images, labels = parts[part]
        x, label = next(examples.in_order(10))
        np.testing.assert_allclose(x[:, 0].numpy(), images / 127.5 - 1, atol=1e-6)
        assert label is not None
        assert label.tolist() == labels.tolist()
    assert not source.train().is_augmented
    assert not requests


def test_the_class_names_are_those_of_torchvision() -> None:
    assert list(FashionMnistSource.class_names) == torchvision.datasets.FashionMNIST.classes


@pytest.mark.parametrize("source", [Cifar10Source, FashionMnistSource])
def test_a_failed_download_is_one_line_that_says_what_to_do(
    tmp_path: Path, requests: list[tuple[str, float | None]], source: Callable[..., Any]
) -> None:
    folder = tmp_path / "sets"
    with pytest.raises(ConfigurationError) as caught:
        source(root=str(folder)).train()
    message = str(caught.value)
    assert f"is not complete in {folder}, and the download failed (" in message
    assert "Name or service not known" in message
    assert "data=digits" in message
    assert "data=image_folder data.root=" in message
    assert "\n" not in message
    assert requests
    assert all(timeout == 10 for _, timeout in requests)
    assert socket.getdefaulttimeout() is None


def test_nothing_is_downloaded_against_the_will(tmp_path: Path, requests: list[object]) -> None:
    folder = tmp_path / "sets"
    with pytest.raises(ConfigurationError, match=r"CIFAR-10 .* give data.download=true"):
        Cifar10Source(root=str(folder), download=False).held_out()
    assert not requests
    assert not folder.exists()


def test_damaged_files_are_not_used(tmp_path: Path, requests: list[object]) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch", "batches.meta"]:
        (folder / name).write_bytes(b"half a file")
    with pytest.raises(ConfigurationError, match=f"CIFAR-10 is not complete in {tmp_path}"):
        Cifar10Source(root=str(tmp_path)).train()
    assert requests


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, requests: list[object]) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        Cifar10Source(root=str(tmp_path / "sets")).train()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, requests: list[object]) -> None:
    (tmp_path / "sets").write_text("")
    with pytest.raises(ConfigurationError, match=f"is not complete in {tmp_path / 'sets'}"):
        FashionMnistSource(root=str(tmp_path / "sets")).train()


def test_the_files_are_downloaded_where_they_are_missing(tmp_path: Path) -> None:
    calls = []

    def dataset(root: str, *, train: bool, download: bool) -> str:
        calls.append((root, train, download))
        if not download:
            raise RuntimeError("Dataset not found")
        return "opened"

    folder = str(tmp_path / "sets")
    opened = open_dataset(dataset, folder, is_train=True, download=True, title="it")
    assert opened == "opened"
    assert calls == [(folder, True, False), (folder, True, True)]


def test_the_examples_stay_bytes_in_memory(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    assert FashionMnistSource(root=str(tmp_path)).train()._data.dtype == torch.uint8
