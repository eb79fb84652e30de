"""The experiments for large machines compose, have the size of the papers, and run when reduced."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrl.config import compose
from genrl.networks import networks
from genrl.tasks.build import build_stages
from genrl.tasks.train import train
from genrl.typing import DataSpec

CIFAR10 = "cfg_distill_cifar10"
IMAGENET64 = "cfg_distill_imagenet64"
SPECS = {CIFAR10: DataSpec((3, 32, 32), 10), IMAGENET64: DataSpec((3, 64, 64), 1000)}
REDUCED = (
    "compile=false",
    "trainer.accelerator=cpu",
    "network.channels=16",
    "network.num_blocks=1",
    "network.head_channels=16",
    "training.updates=2",
    "training.batch_size=4",
    "training.warmup_updates=0",
    "distill.start=4",
    "distill.guided_updates=2",
    "distill.updates=2",
    "distill.last_updates=2",
    "feature=classifier",
    "feature.updates=5",
    "feature.widths=[8]",
    "feature.batch_size=16",
    "evaluation.num_samples=8",
    "evaluation.batch_size=8",
    "evaluation.w=[0,4]",
    "evaluation.reference_steps=2",
    "evaluation.teacher_steps=[1]",
    "evaluation.guided_steps=[2]",
    "evaluation.every=1",
    "evaluation.preview_steps=1",
)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Sixteen colour images of 80x64 pixels in two classes."""
    random = np.random.default_rng(0)
    for index in range(16):
        folder = tmp_path / "photographs" / ("cats" if index % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "photographs"


def overrides_for(experiment: str) -> list[str]:
    return [
        f"+experiment={experiment}",
        *(["data.root=photographs"] if experiment == IMAGENET64 else []),
    ]


@pytest.mark.parametrize(
    ("experiment", "millions"), [(CIFAR10, 60.0), (IMAGENET64, 296.0)], ids=[CIFAR10, IMAGENET64]
)
def test_the_network_has_the_papers_size(experiment: str, millions: float) -> None:
    config = compose(overrides_for(experiment))
    num_outputs = 2 if config["parameterization"]["name"] == "both" else 1
    with torch.device("meta"):
        network = networks.build(config["network"], SPECS[experiment], num_outputs)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(
    ("experiment", "teacher_rate", "rate", "batch_size"),
    [(CIFAR10, 2e-4, 5e-5, 128), (IMAGENET64, 3e-4, 1e-4, 2048)],
)
def test_stages_are_those_of_the_papers(
    experiment: str, teacher_rate: float, rate: float, batch_size: int
) -> None:
    config = compose(overrides_for(experiment))
    teacher, guided, *halvings = build_stages(config, has_teacher=False)
    assert config["training"]["batch_size"] == batch_size
    assert config["training"]["gradient_clip"] == 1.0
    assert (teacher.learning_rate, teacher.use_ema) == (teacher_rate, True)
    assert config["ema"]["decays"] == [0.9999]
    assert (guided.objective["w_min"], guided.objective["w_max"]) == (0.0, 4.0)
    assert [stage.num_steps for stage in halvings] == [2**k for k in range(9, -1, -1)]
    assert [stage.updates for stage in halvings] == [50_000] * 8 + [100_000] * 2
    assert all(stage.learning_rate == rate and not stage.use_ema for stage in halvings)


def test_a_cluster_keeps_the_precision() -> None:
    config = compose([*overrides_for(IMAGENET64), "trainer=ddp"])
    assert config["trainer"]["precision"] == "bf16-mixed"
    assert config["trainer"]["devices"] == "auto"


@pytest.mark.parametrize(
    ("experiment", "size", "own"),
    [
        (CIFAR10, 32, ["data=image_folder", "data.size=32"]),
        (IMAGENET64, 64, ["network.attention_resolutions=[8,16]"]),
    ],
    ids=[CIFAR10, IMAGENET64],
)
def test_two_updates_of_every_stage(
    experiment: str, size: int, own: list[str], photographs: Path, tmp_path: Path
) -> None:
    overrides = [f"+experiment={experiment}", *own, f"data.root={photographs}", *REDUCED]
    config = compose(overrides)
    assert config["trainer"]["precision"] == "bf16-mixed"
    assert config["network"]["dropout"] > 0
    folder = train(config, tmp_path / "run")

    stages = ["teacher", "guided", "4", "2", "1"]
    with folder.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["stage"]: int(row["update"]) for row in rows} == dict(
        zip(stages, range(2, 11, 2), strict=True)
    )
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert folder.finished_stages() == stages
    network = [folder.load_stage(stage)["state_dict"]["network.output.weight"] for stage in stages]
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(network))
    for stage in stages:
        about = folder.load_stage(stage)["genrl"]
        assert about["data"] == {"shape": [3, size, size], "num_classes": 2}
    measured = {row["name"] for row in json.loads(folder.summary.read_text())["stages"]}
    assert measured == set(stages)
    assert folder.report.stat().st_size > 0
