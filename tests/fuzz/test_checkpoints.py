"""Checkpoints that were damaged, and ones that are whole and hold something else."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import CASES, JUNK, altered, damaged, explore, refused_or
from hypothesis import strategies as st

from genrl import checkpoints
from genrl.run_folder import RunFolder

ABOUT = {"updates": 4, "stage": "teacher", "skipped": 0, "is_guided": False, "config": {"seed": 0}}


def content() -> dict[str, Any]:
    """What a training run saves: weights, optimizer, counters."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    return {
        "genrl": dict(ABOUT),
        "state_dict": network.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "loops": {"global_step": 4},
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint's file."""
    path = tmp_path_factory.mktemp("checkpoint") / "a.ckpt"
    checkpoints.save(path, content())
    return path.read_bytes()


def is_equal(a: Any, b: Any) -> bool:
    """Bit for bit, at any depth."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(is_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(is_equal, a, b))
    return bool(a == b)


@CASES
def test_what_is_read_of_a_damaged_file_is_what_was_written(
    whole: bytes, cases: int, tmp_path: Path
) -> None:
    path, expected = tmp_path / "a.ckpt", content()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        found = refused_or(lambda: checkpoints.load(path))
        assert found is None or is_equal(found, expected)

    explore(check, damaged(whole), cases)


@CASES
def test_a_whole_file_with_another_pickle(whole: bytes, cases: int, tmp_path: Path) -> None:
    """Checksums are right, as where somebody makes it."""
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pickle = next(name for name in members if name.endswith("data.pkl"))

    def check(data: bytes) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, value in members.items():
                archive.writestr(name, data if name == pickle else value)
        found = refused_or(lambda: checkpoints.load(path))
        assert found is None or isinstance(found["genrl"], dict)

    explore(check, damaged(members[pickle]), cases)


@CASES
def test_a_run_whose_stages_say_something_else(cases: int, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    tensors = {key: value for key, value in content().items() if key != "genrl"}

    def check(about: Any) -> None:
        torch.save({"genrl": about, **tensors}, folder.stage_checkpoint("teacher"))
        found = refused_or(lambda: folder.load_stage(None))
        assert found is None or isinstance(found["genrl"]["updates"], int)

    explore(check, altered(ABOUT) | JUNK, cases)


@CASES
def test_any_bytes(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        assert refused_or(lambda: checkpoints.load(path)) is None

    start = st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"PK\x05\x06", b"\x80\x04\x95"])
    explore(check, st.tuples(start, st.binary(max_size=200)).map(b"".join), cases)
