"""``genrl export``: loaded by diffusers in a fresh process, the same images as ``genrl sample``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genrl.config import compose
from genrl.diffusion.noise import mixed_seed
from genrl.exported import ExportedModel
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.build import build_module, build_stages
from genrl.tasks.export import ExportOptions, export
from genrl.tasks.sample import SampleOptions, load_trained_stage, sample
from genrl.tasks.teacher import load_teacher
from genrl.tasks.train import train
from genrl.typing import DataSpec

SMALL = [
    "+experiment=cfg_distill",
    "device=cpu",
    "network=diffusers_unet_digits",
    "network.channels=[8,16]",
    "network.layers_per_block=1",
    "network.head_channels=8",
    "network.norm_groups=4",
    "training.updates=3",
    "training.batch_size=8",
    "distill.start=4",
    "distill.start_factor=null",
    "distill.factor=4",
    "distill.guided_updates=3",
    "distill.updates=3",
    "distill.last_updates=null",
    "callback@evaluation=none",
]

PROCESS = """
import json, sys
import torch
if sys.argv[2] == "plain":
    sys.modules["genrl"] = None  # whoever loads the folder need not have it
else:
    import genrl.exported
from diffusers import DiffusionPipeline

calls, out = json.loads(sys.argv[1]), {}
for name, (folder, seeds, arguments) in calls.items():
    pipe = DiffusionPipeline.from_pretrained(folder)
    labels = torch.tensor(arguments.pop("class_labels"))
    arguments["class_labels"] = labels if labels.ndim == 2 else labels.tolist()
    pipe.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    images = pipe(batch_size=len(seeds), generator=generators, output_type="pt", **arguments).images
    out[name] = images.tolist()
print(json.dumps(out))
"""


def in_a_fresh_process(calls: dict[str, Any], form: str) -> dict[str, torch.Tensor]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", PROCESS, json.dumps(calls), form],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return {name: torch.tensor(x) for name, x in json.loads(result.stdout).items()}


def randomized(run: RunFolder) -> None:
    """Weights as of a trained model: three updates from zero show nothing."""
    for stage in run.finished_stages():
        path = run.stage_checkpoint(stage)
        checkpoint = torch.load(path, weights_only=True)
        generator = torch.Generator().manual_seed(0)
        for name, value in checkpoint["state_dict"].items():
            scale = 0.5 if "guidance" in name or "label" in name else 0.15
            value.copy_(scale * torch.randn(value.shape, generator=generator))
        torch.save(checkpoint, path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = train(compose(SMALL), tmp_path_factory.mktemp("runs") / "run")
    randomized(folder)
    return folder


def ours(run: RunFolder, **options: Any) -> torch.Tensor:
    """What ``genrl sample`` draws, on the scale of their images."""
    _, file = sample(run.path, SampleOptions(n=6, **options))
    with np.load(file) as arrays:
        return (torch.from_numpy(arrays["x"]) / 2 + 0.5).clamp(0, 1)


def test_the_same_images_without_genrl(run: RunFolder, tmp_path: Path) -> None:
    """Teacher, guided student at two weights, the distilled one, by ``genrl sample``'s seeds."""
    weights, seeds = [0.0, 3.5], [mixed_seed(0, index) for index in range(6)]
    folders = {
        stage: str(export(run.path, ExportOptions(stage=stage, w=weights, steps=steps, out=str(
            tmp_path / stage))))
        for stage, steps in (("teacher", 8), ("guided", 16), ("4", None))
    }  # fmt: skip
    about = json.loads((tmp_path / "guided" / "genrl.json").read_text())
    assert (about["w"], about["num_classes"], about["num_inference_steps"]) == (weights, 10, 16)
    assert not list(tmp_path.rglob("*.py")) + list(tmp_path.rglob("*.bin"))
    calls = {
        "teacher": ("teacher", 8, 0.0, list(range(6))),
        "guided0": ("guided", 16, 0.0, list(range(6))),
        "guided1": ("guided", 16, 3.5, [11 + label for label in range(6)]),
        "distilled": ("4", 4, 3.5, [11 + label for label in range(6)]),
        "fewer": ("guided", 4, 3.5, [11 + label for label in range(6)]),
    }
    found = in_a_fresh_process({
        name: (folders[stage], seeds, {"class_labels": rows, "num_inference_steps": steps})
        for name, (stage, steps, _, rows) in calls.items()
    }, "plain")  # fmt: skip
    for name, (stage, steps, w, _) in calls.items():
        expected = ours(run, stage=stage, steps=steps, w=w, out=str(tmp_path / name))
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-4)
    assert (found["guided0"] - found["guided1"]).abs().max() > 0.05
    assert found["distilled"].std() > 0.05


def test_round_trip(run: RunFolder, tmp_path: Path) -> None:
    """What was exported is a teacher again: the same predictions at the exported steps."""
    path = export(run.path, ExportOptions(stage="teacher", steps=8, out=str(tmp_path / "folder")))
    teacher = load_teacher(path)
    config = teacher.adapt(compose(SMALL[:2]))
    module = build_module(config, DataSpec((1, 8, 8), 10), build_stages(config, has_teacher=True))
    teacher.load_into(module)
    first, second = load_trained_stage(run, "teacher", "cpu").drawer.denoiser, module.denoiser
    z, label = torch.randn(4, 1, 8, 8), torch.tensor([0, 4, 9, 10])
    # Its step j is our t = (j + 1) / 1024, and t = j / 1023 once it is a table.
    for j in (127, 511, 1023):
        before = first(z, torch.full((4,), (j + 1) / 1024, dtype=torch.float64), label)
        after = second(z, torch.full((4,), j / 1023, dtype=torch.float64), label)
        torch.testing.assert_close(after.x, before.x, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(after.eps, before.eps, rtol=1e-4, atol=1e-4)


def test_mistakes(run: RunFolder, tmp_path: Path) -> None:
    for options, complaint in (
        (ExportOptions(to="onnx"), "to=onnx: a run can be exported to diffusers"),
        (ExportOptions(stage="8"), "has no finished stage '8'"),
        (ExportOptions(steps=-1), "steps must be at least 1"),
        (ExportOptions(out=str(run.path)), "is not empty: give out=FOLDER"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            export(run.path, options)


OWN = [
    "+experiment=cfg_distill", "device=cpu", "network.channels=8", "network.head_channels=8",
    "network.num_blocks=1", *SMALL[7:],
]  # fmt: skip


def test_any_network_with_genrl_imported(tmp_path: Path) -> None:
    """Our `unet`, for any w; and a schedule of another family, which is rescaled."""
    seeds, calls, expected = [mixed_seed(0, index) for index in range(6)], {}, {}
    flow = ["schedule=flow", "parameterization=flow_velocity", "distill=none"]
    for kind, overrides, stages in (
        ("cosine", [], [("teacher", 8, 0.0), ("guided", 16, 3.5), ("4", 4, 1.25)]),
        ("flow", flow, [("teacher", 8, 0.0)]),
    ):
        words = [word for word in OWN if not (overrides and word.startswith("distill"))]
        run = train(compose([*words, *overrides]), tmp_path / kind)
        randomized(run)
        for stage, steps, w in stages:
            out = tmp_path / f"{kind}_{stage}"
            export(run.path, ExportOptions(stage=stage, steps=steps, out=str(out)))
            assert not list(out.rglob("*.py")) + list(out.rglob("*.bin"))
            assert "import genrl.exported" in (out / "README.md").read_text()
            rows: Any = [[float(label), w] for label in range(6)]
            labels = list(range(6)) if stage == "teacher" else rows
            arguments = {"class_labels": labels, "num_inference_steps": steps}
            calls[out.name] = (str(out), seeds, arguments)
            expected[out.name] = ours(run, stage=stage, steps=steps, w=w, out=str(out / "ours"))
    found = in_a_fresh_process(calls, "with genrl")
    for name, images in expected.items():
        torch.testing.assert_close(found[name], images, rtol=0, atol=1e-4)
        assert images.std() > 0.05, name


def test_what_is_not_the_form_of_diffusers(tmp_path: Path) -> None:
    words = ["+experiment=cfg_distill", "device=cpu", *SMALL[7:8], "distill=none"]
    words += ["training.batch_size=4", "callback@evaluation=none", "data=gaussian_mixture"]
    folder = train(compose([*words, "network=mlp_small", "feature=identity"]), tmp_path / "run")
    with pytest.raises(ConfigurationError, match="draw square images, not data of"):
        export(folder.path, ExportOptions())


def test_rows_of_class_and_w() -> None:
    """A list of floats would be cut to whole numbers by diffusers."""
    model = ExportedModel(
        in_channels=1, sample_size=8, num_class_embeds=10, times=[0.25, 0.75], is_guided=True,
        parts={
            "network": {"name": "unet", "channels": 8, "num_blocks": 1, "head_channels": 8},
            "schedule": "cosine", "parameterization": "v",
        },
    )  # fmt: skip
    z = torch.randn(2, 1, 8, 8)
    with pytest.raises(ValueError, match="give a tensor of floats"):
        model(z, 0, torch.tensor([[1, 2], [3, 4]]))
    assert model._time(0.5).item() == 0.5
    torch.testing.assert_close(model(z, 1, None).sample, model(z, 1, torch.tensor([10, 10])).sample)
