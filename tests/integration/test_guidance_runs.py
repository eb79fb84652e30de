"""Guidance in whole runs: baked into students, chosen anew for a trained model, mistakes."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import mistake, run
from PIL import Image

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.evaluate import EvaluateOptions, evaluate
from genrl.tasks.train import resume, train

SMALL = [
    "+experiment=cfg_distill",
    "device=cpu",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
    "training.updates=6",
    "training.batch_size=16",
    "training.log_every=1",
    "callback@evaluation=none",
    "feature=digits",
    "feature.updates=30",
]
LADDER = [
    "distill.start=2",
    "distill.start_factor=null",
    "distill.guided_updates=3",
    "distill.updates=3",
    "distill.last_updates=null",
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that ends with its teacher, trained under a learned uncertainty."""
    path = tmp_path_factory.mktemp("guidance_runs") / "teacher"
    overrides = ["distill=none", "weighting=learned_uncertainty", "checkpoint.every=4"]
    return train(compose([*SMALL, *overrides]), path)


@pytest.fixture(scope="module")
def interval(teacher: RunFolder) -> RunFolder:
    """All stages, with guidance in an interval and a learned uncertainty."""
    overrides = ["guidance=cfg_interval", "guidance.high=1.5", "weighting=learned_uncertainty"]
    return train(compose([*SMALL, *LADDER, *overrides]), teacher.path.parent / "interval")


def resumed(folder: RunFolder, name: str) -> RunFolder:
    """A copy of a run that goes on from the checkpoint before its last one."""
    copy = RunFolder(folder.path.parent / name)
    shutil.copytree(folder.path, copy.path)
    copy.previous.replace(copy.last)
    return resume(copy.path)


def state(path: Path) -> dict[str, torch.Tensor]:
    content = torch.load(path, weights_only=True)["state_dict"]
    assert isinstance(content, dict)
    return content


def uncertainty(path: Path) -> torch.Tensor:
    return state(path)["learned.0.output.weight"]


def test_a_run_with_an_interval_goes_through_all_of_its_stages(interval: RunFolder) -> None:
    assert interval.finished_stages() == ["teacher", "guided", "2", "1"]
    with interval.metrics.open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 6 + 3 * 3
    assert np.isfinite(losses).all()


def test_uncertainty_is_learned_and_starts_again_with_each_stage(interval: RunFolder) -> None:
    """The last checkpoint but one was written at the start of the last stage."""
    assert (uncertainty(interval.previous) == 0).all()
    assert (uncertainty(interval.last) != 0).all()


@pytest.mark.parametrize("which", ["teacher", "interval"])
def test_a_resumed_run_is_equal_bit_for_bit(which: str, request: pytest.FixtureRequest) -> None:
    straight: RunFolder = request.getfixturevalue(which)
    if which == "teacher":  # in the middle of a stage
        assert (uncertainty(straight.previous) != 0).all()
    again = resumed(straight, f"{which}_again")
    mine, other = state(straight.last), state(again.last)
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) for key in mine)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A picture of a digit's size and a mask of its left half."""
    folder = tmp_path_factory.mktemp("known")
    values, mask = folder / "values.png", folder / "mask.npy"
    Image.fromarray(np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)).save(values)
    np.save(mask, np.arange(8) < 4)
    return values, mask


def of(name: str, teacher: RunFolder, known: tuple[Path, Path]) -> list[str]:
    """The words that choose a guidance."""
    more = {
        "autoguidance": [f"model={teacher.path}", "average=0.999"],
        "classifier": ["updates=4", "batch_size=16"],
        "reconstruction": [f"values={known[0]}", f"mask={known[1]}"],
    }
    return [f"guidance={name}", *(f"guidance.{word}" for word in more.get(name, []))]


@pytest.mark.parametrize("name", ["autoguidance", "classifier", "reconstruction"])
def test_what_needs_files_can_be_baked_into_a_student(
    name: str, teacher: RunFolder, known: tuple[Path, Path]
) -> None:
    overrides = [*SMALL, *LADDER, "distill.start=1", f"teacher={teacher.path}"]
    path = teacher.path.parent / name
    folder = train(compose([*overrides, *of(name, teacher, known)]), path)
    assert folder.finished_stages() == ["guided", "1"]
    classifiers = list((path / "features").glob("noisy_classifier-*.pt"))
    assert len(classifiers) == (1 if name == "classifier" else 0)


@pytest.mark.parametrize(
    "name",
    ["apg", "cfg_interval", "cfg_plus_plus", "autoguidance", "classifier", "reconstruction"],
)
def test_a_trained_model_can_be_sampled_with_another_guidance(
    name: str,
    teacher: RunFolder,
    known: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["sample", str(teacher.path), "n=10", "steps=4", "w=0.5"]
    x = {}
    for key, more in {"plain": [], "other": of(name, teacher, known)}.items():
        assert run(*words, f"out={tmp_path / key}", *more) == 0
        with np.load(tmp_path / f"{key}.npz") as arrays:
            x[key] = arrays["x"]
    assert np.isfinite(x["other"]).all()
    assert not np.allclose(x["other"], x["plain"])
    if name == "reconstruction":
        values = np.linspace(0, 255, 64).reshape(1, 8, 8).astype(np.uint8) / 127.5 - 1
        off = np.abs(x["other"][:, 0] - values)
        assert off[:, :, :4].max() < 1e-6
        assert off[:, :, 4:].max() > 0.1
    assert "Traceback" not in capsys.readouterr().err


def test_another_sampler_and_grid(teacher: RunFolder, tmp_path: Path) -> None:
    words = ["n=4", "sampler=heun", "sampler.steps=3", "time_grid=karras", "thresholding=static"]
    assert run("sample", str(teacher.path), *words) == 0
    names = sorted(path.name for path in teacher.samples.glob("*.npz"))
    assert names == ["sample_teacher_3steps_w1_seed0_heun_karras_static.npz"]


def test_another_guidance_is_measured_but_not_written(
    interval: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in interval.path.rglob("*.png")}
    components = {"guidance": {"name": "apg", "eta": 0.5}}
    text = evaluate(
        interval.path, EvaluateOptions(n=10, w=[2.0], device="cpu", components=components)
    )
    assert "nothing of the run was changed" in text
    out = capsys.readouterr().out
    assert "teacher" in out
    assert "guided" not in out
    assert not interval.summary.exists()
    assert {path: path.read_bytes() for path in interval.path.rglob("*.png")} == before


def test_mistakes(
    teacher: RunFolder,
    interval: RunFolder,
    known: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sample = ["sample", str(teacher.path), "n=2", "steps=2"]
    for words, reason in {
        ("guidance=cfg_intervall",): "no guidance is called 'cfg_intervall'. Did you mean",
        ("guidance=cfg_interval", "guidance.lo=1"): "has no parameter 'lo'. Did you mean 'low'?",
        ("guidance=cfg_interval", "guidance.low=x"): "could not be converted to a float",
        ("guidance=autoguidance",): "needs a value for 'model'",
        (
            "guidance=autoguidance",
            "guidance.model=nowhere",
        ): "diffusers folder nowhere",
        ("sampl=heun",): "there is no option 'sampl'. Did you mean 'sampler'?",
    }.items():
        assert reason in mistake(capsys, *sample, *words)
    average = [*of("autoguidance", teacher, known)[:2], "guidance.average=0.5"]
    assert "holds no average '0.5': it holds 0.999" in mistake(capsys, *sample, *average)
    text = Path("text.png")
    text.write_text("no picture")
    broken = ["guidance=reconstruction", "guidance.values=text.png", "guidance.mask=text.png"]
    assert "neither an array (.npy) nor a picture" in mistake(capsys, *sample, *broken)
    learned = mistake(capsys, "sample", str(interval.path), "guidance=apg")
    assert "the stage '1' has learned its guidance" in learned


def test_a_weaker_model_of_another_schedule_is_refused(teacher: RunFolder, tmp_path: Path) -> None:
    choice = [*of("autoguidance", teacher, (tmp_path, tmp_path)), "schedule=linear"]
    with pytest.raises(ConfigurationError, match=r"trained with the schedule .*cosine"):
        train(compose([*SMALL, "distill=none", *choice]), tmp_path / "run")
