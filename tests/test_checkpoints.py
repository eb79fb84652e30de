"""Checkpoints: damage is found, and what could run code is refused and not run."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from genrl import checkpoints
from genrl.callbacks.checkpoint_io import SafeCheckpointIO
from genrl.checkpoints import DamagedCheckpointError
from genrl.registry import ConfigurationError


def content(updates: int = 3, size: int = 5) -> dict[str, Any]:
    return {
        "genrl": {"updates": updates, "stage": "16", "config": {"w": [0.0, 1.0], "x": None}},
        "state_dict": {
            "a": torch.arange(float(size)),
            "b": torch.ones(2, 3, dtype=torch.bfloat16),
        },
    }


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    weights, others = first["state_dict"], second["state_dict"]
    return (
        first["genrl"] == second["genrl"]
        and weights.keys() == others.keys()
        and all(torch.equal(weights[key], others[key]) for key in weights)
    )


class Attack:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.ckpt"
    checkpoints.save(path, content())
    assert same(checkpoints.load(path), content())
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]


def test_missing(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "guided.ckpt", content())
    with pytest.raises(ConfigurationError, match=r"there is no checkpoint .*'.*/guided\.ckpt'\?"):
        checkpoints.load(tmp_path / "guide.ckpt")


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(path, content())
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpointError, match="truncated or no checkpoint"):
            checkpoints.load(path)


@pytest.mark.parametrize("flip", [0xFF, 0x01])
def test_every_altered_byte_is_found_or_harmless(tmp_path: Path, flip: int) -> None:
    """Some bytes are padding; no other may change the content or end in another exception."""
    path = tmp_path / "a.ckpt"
    checkpoints.save(path, content())
    whole = path.read_bytes()
    found = 0
    for index in range(len(whole)):
        altered = bytearray(whole)
        altered[index] ^= flip
        path.write_bytes(bytes(altered))
        try:
            loaded = checkpoints.load(path)
        except DamagedCheckpointError as error:
            found += 1
            lines = str(error).splitlines()
            assert len(lines) == 1
        else:
            assert same(loaded, content()), f"byte {index} changed the content unnoticed"
    assert found > len(whole) // 4


def test_an_altered_byte_amid_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    checkpoints.save(path, content(size=100_000))
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(bytes(altered))
    with pytest.raises(DamagedCheckpointError, match="data/0 is not what was written"):
        checkpoints.load(path)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.ckpt", tmp_path / "ran"
    for protocol in (0, 2, 5):
        path.write_bytes(pickle.dumps({"genrl": {}, "x": Attack(mark)}, protocol=protocol))
        with pytest.raises(ConfigurationError, match=r"refused|no checkpoint"):
            checkpoints.load(path)
        assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the attack itself must work for this test to mean anything"


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_that_needs_code_is_refused_and_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, mark = tmp_path / "a.ckpt", tmp_path / "ran"
    torch.save({**content(), "x": Attack(mark)}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ConfigurationError, match="holds more than tensors and plain values"):
        checkpoints.load(path)
    assert not mark.exists()


def test_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({**content(), "network": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(ConfigurationError, match="is refused"):
        checkpoints.load(path)


@pytest.mark.parametrize("other", [torch.ones(3), [1, 2], {"state_dict": {}}])
def test_a_file_of_somebody_else(tmp_path: Path, other: Any) -> None:
    torch.save(other, tmp_path / "a.ckpt")
    with pytest.raises(ConfigurationError, match="is no checkpoint of genrl"):
        checkpoints.load(tmp_path / "a.ckpt")


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", b"a picture" * 100])
def test_no_checkpoint_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match="truncated or no checkpoint"):
        checkpoints.load(tmp_path / "a.ckpt")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        checkpoints.load(tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(small_disk: Path) -> None:
    path = small_disk / "a.ckpt"
    checkpoints.save(path, content(updates=1))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"could not be written \(No space left"):
            checkpoints.save(path, content(updates=2, size=30_000))
        assert same(checkpoints.load(path), content(updates=1))
        assert [p.name for p in small_disk.iterdir()] == ["a.ckpt"]


def test_lightning_writes_keep_the_one_before(tmp_path: Path) -> None:
    io, last = SafeCheckpointIO(), tmp_path / "last.ckpt"
    for updates in (1, 2, 3):
        io.save_checkpoint(content(updates), last)
    assert same(io.load_checkpoint(last), content(3))
    assert same(checkpoints.load(tmp_path / "previous.ckpt"), content(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_lightning_on_a_full_disk_keeps_both(small_disk: Path) -> None:
    io, last = SafeCheckpointIO(), small_disk / "last.ckpt"
    for updates in (1, 2):
        io.save_checkpoint(content(updates), last)
    with pytest.raises(ConfigurationError, match="No space left"):
        io.save_checkpoint(content(3, size=30_000), last)
    assert same(checkpoints.load(last), content(2))
    assert same(checkpoints.load(small_disk / "previous.ckpt"), content(1))
    assert sorted(p.name for p in small_disk.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_lightning_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    test_lightning_writes_keep_the_one_before(tmp_path)
