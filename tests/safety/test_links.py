"""Folders whose parts are elsewhere: links, pipes, and the links inside of HDF5 files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hostile import AGENT, SMALL, Refused

from genrl import checkpoints
from genrl.foreign import require_own_files
from genrl.imitation.demonstrations.shipped import shipped
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder


def elsewhere(path: Path, tmp_path: Path) -> Path:
    """Put a link in the place of a file or folder, which goes out of its folder."""
    out = tmp_path / "elsewhere" / path.name
    out.parent.mkdir(exist_ok=True)
    path.rename(out)
    path.symlink_to(os.path.relpath(out, path.parent))
    return out


COMMANDS = {
    "resume": (), "sample": (), "evaluate": (), "export": ("--to", "diffusers"), "ema": (),
    "optimize": ("grid=dp",), "report": (),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_checkpoint_that_is_a_link(
    command: str, trained: RunFolder, tmp_path: Path, refused: Refused
) -> None:
    out = elsewhere(trained.stage_checkpoint("teacher"), tmp_path)
    line = refused(command, str(trained.path), *COMMANDS[command])
    assert f"is refused: it is a link to {out}, outside of {trained.path}" in line


@pytest.mark.parametrize("name", ["checkpoints", "samples", "metrics.csv", ".hydra", "genrl.log"])
def test_nothing_is_written_through_a_link(
    name: str, begun: RunFolder, tmp_path: Path, refused: Refused
) -> None:
    is_file = "." in name[1:]
    out = tmp_path / "precious"
    out.write_text("precious\n") if is_file else out.mkdir()
    shutil.rmtree(begun.path / name, ignore_errors=True)
    (begun.path / name).unlink(missing_ok=True)
    (begun.path / name).symlink_to(out)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert f"{begun.path / name} is refused: it is a link to" in refused("resume", str(begun.path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_job_of_a_sweep_that_is_a_link(tmp_path: Path, refused: Refused) -> None:
    sweep, out = tmp_path / "sweep", tmp_path / "out"
    for folder in (sweep, out):
        folder.mkdir()
    text = "hydra: {overrides: {hydra: [], task: ['seed=1,2']}}\n"
    (sweep / "multirun.yaml").write_text(text)
    (sweep / "0").symlink_to(out)
    assert f"it is a link to {out}" in refused("resume", str(sweep))
    assert not any(out.iterdir())


def test_a_pipe_that_nobody_fills(begun: RunFolder, refused: Refused) -> None:
    (begun.path / "versions.yaml").unlink()
    os.mkfifo(begun.path / "versions.yaml")
    assert "it is a device or pipe, no file" in refused("resume", str(begun.path))


def test_links_that_stay_inside_and_those_of_wandb(trained: RunFolder, tmp_path: Path) -> None:
    """A run may be reached by a link, too."""
    path = trained.stage_checkpoint("teacher")
    path.rename(path.with_name("kept"))
    path.symlink_to("kept")
    (trained.path / "wandb" / "run-1").mkdir(parents=True)
    (trained.path / "wandb" / "run-1" / "debug.log").symlink_to("/var/log/wandb.log")
    (tmp_path / "by_link").symlink_to(trained.path)
    found = RunFolder.open(tmp_path / "by_link").load_stage("teacher")
    assert found["genrl"]["updates"] == checkpoints.load(path)["genrl"]["updates"]


def test_demonstrations_that_are_links(tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(shipped("Pendulum-v1"), tmp_path / "pendulum"))
    elsewhere(folder / "data" / "main_data.hdf5", tmp_path)
    line = refused("train", *AGENT, f"demonstrations.path={folder}")
    assert "main_data.hdf5 is refused: it is a link to" in line


def test_a_teacher_of_diffusers_that_is_a_link(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "pipeline"
    for part in ("unet", "scheduler"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "config.json").write_text("{}")
    elsewhere(folder / "unet" / "config.json", tmp_path)
    line = refused("train", *SMALL, "distill=progressive", f"teacher={folder}")
    assert "config.json is refused: it is a link to" in line


def external_link(file: h5py.File, other: Path) -> None:
    file["observations"] = h5py.ExternalLink(str(other), "/observations")


def external_link_inside_of_a_group(file: h5py.File, other: Path) -> None:
    file["observations"] = np.zeros((4, 3), np.float32)
    file.create_group("infos")["more"] = h5py.ExternalLink(str(other), "/")


def external_storage(file: h5py.File, other: Path) -> None:
    places = [(str(other), 0, 4 * 3 * 4)]
    file.create_dataset("observations", (4, 3), np.float32, external=places)


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4, 3), np.float32)
    layout[:] = h5py.VirtualSource(str(other), "observations", (4, 3))
    file.create_virtual_dataset("observations", layout)


LINKS = [external_link, external_link_inside_of_a_group, external_storage, virtual]


@pytest.mark.parametrize("link", LINKS)
def test_numbers_of_another_file(
    link: Callable[[h5py.File, Path], None], tmp_path: Path, refused: Refused
) -> None:
    other, path = tmp_path / "other.hdf5", tmp_path / "demonstrations.hdf5"
    with h5py.File(other, "w") as file:
        file["observations"] = np.full((4, 3), 7, np.float32)
    with h5py.File(path, "w") as file:
        link(file, other)
        file["actions"] = np.zeros((4, 1), np.float32)
        file["rewards"], file["terminals"] = np.zeros(4), np.array([False] * 3 + [True])
    if link is not external_storage:
        with h5py.File(path) as file:  # it would work: the numbers are the other's
            assert link is external_link_inside_of_a_group or file["observations"][0, 0] == 7
    line = refused("train", *AGENT, "demonstrations=d4rl", f"demonstrations.path={path}")
    assert "lies in another file" in line
    assert other.name in line


def test_episodes_of_another_file(tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(shipped("Pendulum-v1"), tmp_path / "pendulum"))
    path = folder / "data" / "main_data.hdf5"
    path.rename(tmp_path / "other.hdf5")
    with h5py.File(path, "w") as file:
        file["episode_0"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "/episode_0")
    line = refused("train", *AGENT, f"demonstrations.path={folder}")
    assert "its 'episode_0' lies in another file" in line


def test_a_snapshot_of_the_hub_may_share_its_files(tmp_path: Path) -> None:
    """Where Hugging Face's cache keeps what it downloads, every file is a link to a blob."""
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b/snapshots/1f"
    for folder in (blobs, snapshot / "unet"):
        folder.mkdir(parents=True)
    (blobs / "0a").write_text("weights")
    (snapshot / "unet" / "weights").symlink_to("../../../blobs/0a")
    require_own_files(snapshot)
    (snapshot / "unet" / "more").symlink_to("../../../../secret")
    with pytest.raises(ConfigurationError, match="more is refused"):
        require_own_files(snapshot)
