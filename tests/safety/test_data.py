"""Demonstrations, arrays and exported folders of somebody else."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile import AGENT, SMALL, Bomb, Refused
from PIL import EpsImagePlugin

from genrl.imitation.demonstrations.shipped import shipped
from genrl.run_folder import RunFolder


def test_a_bomb_in_an_archive_of_demonstrations(
    tmp_path: Path, sentinel: Path, refused: Refused
) -> None:
    path = tmp_path / "demonstrations.npz"
    bombs = np.array([Bomb(sentinel)] * 4, dtype=object)
    np.savez(path, obs=bombs, action=bombs, reward=bombs, terminated=bombs, truncated=bombs)
    words = ("train", *AGENT, "demonstrations=npz", f"demonstrations.path={path}")
    assert "Object arrays cannot be loaded when allow_pickle=False" in refused(*words)


def test_a_bomb_in_an_array_for_guidance(
    tmp_path: Path, sentinel: Path, trained: RunFolder, refused: Refused
) -> None:
    path = tmp_path / "values.npy"
    np.save(path, np.array([Bomb(sentinel)], dtype=object))
    line = refused(
        *("sample", str(trained.path), "n=2", "guidance=reconstruction"),
        *(f"guidance.values={path}", f"guidance.mask={path}"),
    )
    assert "is neither an array (.npy) nor a picture" in line


def test_a_pickle_in_an_hdf5_file(tmp_path: Path, sentinel: Path, refused: Refused) -> None:
    path = tmp_path / "demonstrations.hdf5"
    bomb = np.void(pickle.dumps(Bomb(sentinel)))
    with h5py.File(path, "w") as file:
        for key in ("observations", "actions", "rewards", "terminals"):
            file[key] = np.array([bomb] * 4)
    refused("train", *AGENT, "demonstrations=d4rl", f"demonstrations.path={path}")


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
def test_a_program_for_ghostscript_in_a_picture(
    name: str, tmp_path: Path, sentinel: Path, trained: RunFolder, refused: Refused
) -> None:
    """Pillow goes by the content, and hands PostScript to the program ``gs``."""
    path, program = tmp_path / "photos" / name, tmp_path / "bin" / "gs"
    for folder in (path.parent, program.parent):
        folder.mkdir()
    program.write_text(f"#!/bin/sh\nmkdir {sentinel}\n")
    program.chmod(0o755)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        patch.setattr(EpsImagePlugin, "gs_binary", None)
        line = refused("train", *SMALL[1:], "data=image_folder", f"data.root={path.parent}")
        assert "cannot be read as an image" in line
        words = [f"guidance.{key}={path}" for key in ("values", "mask")]
        line = refused("sample", str(trained.path), "n=2", "guidance=reconstruction", *words)
        assert "neither an array (.npy) nor a picture" in line


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A copy of what genrl ships for Pendulum-v1."""
    return Path(shutil.copytree(shipped("Pendulum-v1"), tmp_path / "data_set"))


def lie(data_set: Path, change: dict[str, Any], *left_out: str) -> None:
    path = data_set / "data" / "metadata.json"
    metadata = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({k: v for k, v in metadata.items() if k not in left_out}))


@pytest.mark.parametrize("left_out", ["action_space", "observation_space"])
def test_an_environment_that_is_a_function_of_the_system(
    left_out: str, data_set: Path, sentinel: Path, refused: Refused
) -> None:
    """Without a space, Minari would make the environment that the file describes to ask it."""
    spec = {
        **{"id": "Pendulum-v1", "entry_point": "os:mkdir", "kwargs": {"path": str(sentinel)}},
        **{"reward_threshold": None, "nondeterministic": False, "max_episode_steps": 200},
        **{"disable_env_checker": True, "additional_wrappers": [], "vector_entry_point": None},
    }
    lie(data_set, {"env_spec": json.dumps(spec)}, left_out)
    line = refused("train", *AGENT, f"demonstrations.path={data_set}")
    assert f"its metadata.json has no '{left_out}'" in line


def test_a_format_of_a_module(data_set: Path, refused: Refused) -> None:
    lie(data_set, {"data_format": "os.system"})
    assert "os.system" in refused("train", *AGENT, f"demonstrations.path={data_set}")


def safetensors(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        safetensors(b"{}", 2**63),
        safetensors(b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}'),
        safetensors(b'{"x":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8]}}'),
        safetensors(b'{"x":{"dtype":"os.system","shape":[2],"data_offsets":[0,8]}}'),
        safetensors(b'["not", "a", "mapping"]'),
        b"\x80\x04cos\nmkdir\n.",
    ],
    ids=["length", "offsets", "shape", "dtype", "header", "pickle"],
)
def test_safetensors_that_lie(content: bytes, tmp_path: Path, refused: Refused) -> None:
    diffusers = pytest.importorskip("diffusers")
    folder = tmp_path / "pipeline"
    unet = {
        **{"_class_name": "UNet2DModel", "sample_size": 8, "in_channels": 1, "out_channels": 1},
        **{"block_out_channels": [4], "down_block_types": ["DownBlock2D"], "norm_num_groups": 2},
        **{"up_block_types": ["UpBlock2D"], "layers_per_block": 1, "attention_head_dim": 4},
    }
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    for name, text in {
        "model_index.json": {"_class_name": "DDPMPipeline", **parts},
        "scheduler/scheduler_config.json": {"_class_name": "DDPMScheduler"},
        "unet/config.json": unet,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(text))
    assert diffusers.UNet2DModel.from_config(unet)  # nothing else is wrong with it
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(content)
    words = ("train", *SMALL[1:], "data=digits", "distill=progressive", f"teacher={folder}")
    assert "cannot be read" in refused(*words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model_index.json", {"unet": ["os", "system"], "scheduler": ["os", "mkdir"]}),
        ("scheduler/scheduler_config.json", {"_class_name": "os.mkdir"}),
        ("unet/config.json", {"_class_name": "__builtins__"}),
    ],
)
def test_a_pipeline_that_names_other_classes(
    name: str, change: dict[str, Any], tmp_path: Path, refused: Refused
) -> None:
    pytest.importorskip("diffusers")
    folder = tmp_path / "pipeline"
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    files: dict[str, dict[str, Any]] = {
        "model_index.json": {"_class_name": "DDPMPipeline", **parts},
        "scheduler/scheduler_config.json": {"_class_name": "DDPMScheduler"},
        "unet/config.json": {"_class_name": "UNet2DModel"},
    }
    files[name].update(change)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content))
    refused("train", *SMALL, "distill=progressive", f"teacher={folder}")
