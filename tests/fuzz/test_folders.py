"""Folders from anywhere: a pipeline of diffusers as a teacher, and images to learn from."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.utils import logging
from fuzzing import CASES, altered, damaged, explore, refused_or
from hypothesis import strategies as st

from genrl.data.image_listing import list_images
from genrl.diffusion.schedules.base import schedules
from genrl.tasks.diffusers_teacher import load_diffusers_teacher

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
JSON = ("model_index.json", "scheduler/scheduler_config.json", "unet/config.json")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The least U-Net that there is, and the scheduler that it was trained with."""
    logging.set_verbosity(logging.CRITICAL)
    unet = UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(4,), layers_per_block=1,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), norm_num_groups=2,
        attention_head_dim=4, num_class_embeds=3,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("pipeline")
    DDPMPipeline(unet, DDPMScheduler(num_train_timesteps=10)).save_pretrained(path)
    return path


def is_read_or_refused(path: Path) -> None:
    """Whatever is read has the schedule that its weights were trained with, or none is built."""
    found = refused_or(lambda: load_diffusers_teacher(path))
    if found is None:
        return
    assert all(isinstance(value, float) for value in found.log_snrs)
    assert all(torch.isfinite(value).all() or value.numel() for value in found.model.parameters())
    config = found.adapt({})
    refused_or(lambda: schedules.build(config["schedule"]))


@CASES
@pytest.mark.filterwarnings("ignore")
def test_teachers_of_diffusers_that_lie(cases: int, pipeline: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(pipeline, tmp_path / "pipeline"))
    wholes = {name: json.loads((path / name).read_text()) for name in JSON}

    def check(case: tuple[str, Any]) -> None:
        for name, whole in wholes.items():
            content = case[1] if name == case[0] else whole
            (path / name).write_text(json.dumps(content))
        is_read_or_refused(path)

    is_read_or_refused(path)
    one = st.sampled_from(JSON).flatmap(
        lambda name: st.tuples(st.just(name), altered(wholes[name]))
    )
    explore(check, one, cases)


@CASES
@pytest.mark.filterwarnings("ignore")
def test_teachers_of_diffusers_that_are_damaged(cases: int, pipeline: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(pipeline, tmp_path / "pipeline"))
    wholes = {name: (path / name).read_bytes() for name in (*JSON, WEIGHTS)}

    def check(case: tuple[str, bytes]) -> None:
        for name, whole in wholes.items():
            (path / name).write_bytes(case[1] if name == case[0] else whole)
        is_read_or_refused(path)

    one = st.sampled_from(sorted(wholes)).flatmap(
        lambda name: st.tuples(st.just(name), damaged(wholes[name]))
    )
    explore(check, one, cases)


NAMES = st.sampled_from(
    ["a", "b", "cat", "train", "test", "val", ".hidden", "__MACOSX", "a.png", "b.JPG", "c.txt",
     "Thumbs.db", "ä b", "a.png.part", "\udcff.png"],
)  # fmt: skip
LEAVES = st.sampled_from(["", "pixels", "link to nothing", "link up", "link to itself", "pipe"])
TREES = st.recursive(
    LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=10
).filter(lambda tree: isinstance(tree, dict))


def make(path: Path, tree: Any) -> None:
    """A folder of folders and files, links and pipes."""
    if isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            make(path / name, inner)
    elif tree == "pipe":
        os.mkfifo(path)
    elif tree.startswith("link"):
        targets = {"link to nothing": "nothing", "link up": "..", "link to itself": path.name}
        path.symlink_to(targets[tree])
    else:
        path.write_text(tree)


@CASES
def test_listings_of_images(cases: int, tmp_path: Path) -> None:
    root = tmp_path / "root"

    def check(case: tuple[Any, bool, list[str] | None]) -> None:
        tree, use_labels, class_names = case
        shutil.rmtree(root, ignore_errors=True)
        make(root, tree)
        found = refused_or(
            lambda: list_images(root, use_labels=use_labels, class_names=class_names)
        )
        if found is not None:
            assert len(found) == len(set(found.paths)) == len(found.num_bytes) > 0
            assert all(Path(path).is_file() for path in found.paths)
            assert not any("/." in path.removeprefix(str(root)) for path in found.paths)
            assert found.labels is None or found.labels.max() < len(found.class_names)
            assert len(found.fingerprint()) == 16

    names = st.none() | st.lists(st.sampled_from(["a", "b", "cat"]), max_size=3, unique=True)
    explore(check, st.tuples(TREES, st.booleans(), names), cases)
