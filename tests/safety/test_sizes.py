"""Small files that would fill the memory: archives, HDF5, checkpoints, YAML, arrays."""

import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hostile import AGENT, Refused

from genrl import checkpoints
from genrl.config import read_yaml
from genrl.imitation.demonstrations.shipped import shipped
from genrl.registry import ConfigurationError
from genrl.report import write_report
from genrl.run_folder import RunFolder

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
LAUGHS = "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]\n" for i in range(1, 40))
LAUGHS = f"k0: &k0 [ha, ha]\n{LAUGHS}"


def of_any_size(path: Path, name: str, num_bytes: int) -> None:
    """An archive of NumPy whose one member is declared to be so large."""
    np.savez_compressed(path, **{name: np.zeros(3, np.float32)})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, num_bytes)  # zip64
    length, name_length = struct.unpack_from("<H", data, entry + 30)[0], len(name) + 4
    assert length == 0
    struct.pack_into("<I", data, entry + 24, 0xFFFFFFFF)
    struct.pack_into("<H", data, entry + 30, len(extra))
    data[entry + 46 + name_length : entry + 46 + name_length] = extra
    end = data.index(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, struct.unpack_from("<I", data, end + 12)[0] + len(extra))
    path.write_bytes(data)


def test_an_archive_that_unpacks_to_more_than_fits(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "demonstrations.npz"
    of_any_size(path, "obs", 2 * MEMORY)
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].file_size == 2 * MEMORY
    line = refused("train", *AGENT, "demonstrations=npz", f"demonstrations.path={path}")
    assert f"{path} holds {2 * MEMORY / 1e9:,.0f} GB, and this machine has" in line


def never_written(file: Any, path: str) -> None:
    file.create_dataset(path, (2 * MEMORY // 12, 3), np.float32, chunks=(1024, 3))


def one_chunk(file: Any, path: str) -> None:
    """Four rows, kept in chunks of two gigabytes, of which there are many."""
    for number in range(MEMORY // 2**31 + 1):
        chunks, limit = (2**29 // 3, 3), (None, 3)
        name = f"{path}{number or ''}"
        file.create_dataset(name, (4, 3), np.float32, chunks=chunks, maxshape=limit)


def wide(file: Any, path: str) -> None:
    """Few values of many bytes each."""
    file.create_dataset(path, (2 * MEMORY // 2**20,), f"S{2**20}", chunks=(1,))


@pytest.mark.parametrize("make", [never_written, one_chunk, wide])
def test_an_hdf5_file_of_kilobytes_that_holds_more_than_fits(
    make: Callable[[Any, str], None], tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "demonstrations.hdf5"
    with h5py.File(path, "w") as file:
        make(file, "observations")
        file["actions"] = np.zeros((4, 1), np.float32)
        file["rewards"], file["terminals"] = np.zeros(4), np.array([False] * 3 + [True])
    assert path.stat().st_size < 1e5
    line = refused("train", *AGENT, "demonstrations=d4rl", f"demonstrations.path={path}")
    assert "GB, and this machine has" in line


def test_episodes_that_hold_more_than_fits(tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(shipped("Pendulum-v1"), tmp_path / "pendulum"))
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        del file["episode_0/observations"]
        never_written(file, "episode_0/observations")
    line = refused("train", *AGENT, f"demonstrations.path={folder}")
    assert "GB, and this machine has" in line


def test_a_group_that_holds_itself_is_looked_at_once(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "demonstrations.hdf5"
    with h5py.File(path, "w") as file:
        file["itself"] = file["/"]
        file["a/b/c"] = file["/"]
    line = refused("train", *AGENT, "demonstrations=d4rl", f"demonstrations.path={path}")
    assert "has no 'observations'" in line


def test_a_checkpoint_that_is_packed(trained: RunFolder, refused: Refused) -> None:
    """Torch packs nothing: what says otherwise could hold anything."""
    path = trained.stage_checkpoint("teacher")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert torch.load(path, weights_only=True)["genrl"]["stage"] == "teacher"  # torch takes it
    assert "is not what was written" in refused("sample", str(trained.path), "n=2")


def test_a_checkpoint_that_repeats_itself(trained: RunFolder, refused: Refused) -> None:
    path = trained.stage_checkpoint("teacher")
    content = checkpoints.load(path)
    laughs = ["ha"]
    for _ in range(40):
        laughs = [laughs] * 10
    content["genrl"]["stage"] = laughs
    checkpoints.save(path, content)
    assert "with repetitions written out" in refused("sample", str(trained.path), "n=2")


@pytest.mark.parametrize("name", ["config.yaml", "versions.yaml", "multirun.yaml"])
def test_yaml_that_repeats_itself(name: str, begun: RunFolder, refused: Refused) -> None:
    (begun.path / name).write_text(LAUGHS)
    assert f"{name} is refused: with repetitions written" in refused("resume", str(begun.path))


@pytest.mark.parametrize("task", ["agent", "diffusion"])
def test_a_page_of_a_run_whose_yaml_repeats_itself(task: str, tmp_path: Path) -> None:
    for name in ("config.yaml", "versions.yaml"):
        (tmp_path / name).write_text(f"task: {task}\n{LAUGHS}")
    page = write_report([tmp_path], tmp_path / "report.html")
    assert "config.yaml cannot be read" in page.read_text()


def test_what_repeats_itself_a_little_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a [1, 2]\nb: [*a, *a]\nc: {d: *a}\n")
    assert read_yaml(path) == {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": {"d": [1, 2]}}
    path.write_text("a: &a {b: {c: [*a]}}\n")
    with pytest.raises(ConfigurationError, match="contains itself"):
        read_yaml(path)


@pytest.mark.parametrize("content", ["empty", "of any shape", "archive"])
def test_an_array_for_guidance(
    content: str, tmp_path: Path, trained: RunFolder, refused: Refused
) -> None:
    path = tmp_path / "values.npy"
    if content == "archive":
        np.savez(tmp_path / "a.npz", a=np.zeros(3))
        (tmp_path / "a.npz").rename(path)
    elif content == "empty":
        path.touch()
    else:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1024), }"
        header = header.ljust(117) + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    words = [f"guidance.{key}={path}" for key in ("values", "mask")]
    line = refused("sample", str(trained.path), "n=2", "guidance=reconstruction", *words)
    assert "is neither an array (.npy) nor a picture" in line
