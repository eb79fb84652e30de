"""Whole runs and commands where no tensor may stray to the CPU, and on a GPU: what they leave."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import run
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from several_runs import same_rows, same_runs

from genrl.config import compose
from genrl.run_folder import RunFolder
from genrl.tasks import evaluate, fit, optimize, sample
from genrl.tasks.train import train
from genrl.testing import ELSEWHERE, elsewhere

SMALL = [
    "device=cpu",
    "callback@progress=none",
    "training.updates=3",
    "training.batch_size=8",
    "training.log_every=1",
    "checkpoint.every=2",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
]
EVALUATION = [
    "evaluation.num_samples=9",
    "evaluation.batch_size=4",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[2]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,2]",
]
PLAIN = ["+experiment=cfg_distill", "callback@evaluation=none", "distill.guided_updates=2"]
LADDER = ["distill.start=2", "distill.last_updates=2"]
RUNS = {
    "progressive": ["+experiment=cfg_distill", *EVALUATION, *LADDER, "distill.guided_updates=2"],
    "consistency": [*PLAIN, "distill=consistency", "distill.updates=2"],
    "uncertainty": [*PLAIN, *LADDER, "weighting=learned_uncertainty"],
    "classifier": [
        *(*PLAIN, *LADDER, "guidance=classifier"),
        *("guidance.updates=3", "guidance.batch_size=8"),
    ],
    "vdm": ["+experiment=vdm", "callbacks.likelihood.num_examples=9"],
}
HOW = {  # a GPU computes, and how much a number may then differ from the CPU's
    "compiled": (["compile=true"], 1e-3),
    "nccl": (["trainer=ddp", "trainer.devices=1"], 1e-3),
    "bf16": (["trainer=gpu"], 0.05),
    "bf16-compiled": (["trainer=gpu", "compile=true"], 0.05),
}
OPTIMIZE = ["optimize", "stage=teacher", "steps=2", "num_samples=8"]


class Accelerator(CPUAccelerator):
    """Takes any device."""

    def setup_device(self, device: torch.device) -> None:
        pass


def trained_elsewhere(words: list[str], path: Path) -> RunFolder:
    """As `train`, but modules and batches are on `ELSEWHERE`."""
    instantiate = fit.instantiate

    def put_elsewhere(settings: dict[str, Any], kind: type, **more: Any) -> Any:
        strategy = SingleDeviceStrategy(device=ELSEWHERE, accelerator=Accelerator())
        others = {key: value for key, value in settings.items() if key != "accelerator"}
        return instantiate({**others, "strategy": strategy}, kind, **more)

    with pytest.MonkeyPatch.context() as patch, elsewhere():
        patch.setattr(fit, "instantiate", put_elsewhere)
        return train(compose(words), path)


@pytest.fixture(scope="module")
def on_the_cpu(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunFolder]:
    """A run by its name, trained once."""
    folder = tmp_path_factory.mktemp("cpu")
    return functools.cache(lambda name: train(compose([*SMALL, *RUNS[name]]), folder / name))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_that_of_the_cpu(
    name: str, tmp_path: Path, on_the_cpu: Callable[[str], RunFolder]
) -> None:
    theirs = on_the_cpu(name)
    mine = trained_elsewhere([*SMALL, *RUNS[name]], tmp_path / "run")
    assert mine.finished_stages() == theirs.finished_stages()
    same_runs(theirs.path, mine.path, rtol=0, atol=1e-7)
    assert same_rows(theirs.path, mine.path) >= 3
    assert numbers(mine.read_summary()) == pytest.approx(numbers(theirs.read_summary()), rel=1e-4)


def numbers(value: Any) -> list[float]:
    """Those of a summary, but for times."""
    if isinstance(value, dict):
        kept = [value[key] for key in sorted(value) if "seconds" not in key]
        return [number for item in kept for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.gpu
@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_a_gpu_is_that_of_the_cpu(
    name: str, tmp_path: Path, on_the_cpu: Callable[[str], RunFolder], cuda: torch.device
) -> None:
    theirs = on_the_cpu(name)
    mine = train(compose([*SMALL, *RUNS[name], f"device={cuda}"]), tmp_path / "run")
    assert mine.finished_stages() == theirs.finished_stages()
    assert same_rows(theirs.path, mine.path, within=1e-3) >= 3


@pytest.mark.gpu
@pytest.mark.parametrize("how", HOW)
def test_a_run_is_that_of_the_cpu_however_a_gpu_computes_it(
    how: str, tmp_path: Path, on_the_cpu: Callable[[str], RunFolder], cuda: torch.device
) -> None:
    words, within = HOW[how]
    theirs = on_the_cpu("uncertainty")
    overrides = [*SMALL, *RUNS["uncertainty"], f"device={cuda}", *words]
    mine = train(compose(overrides), tmp_path / "run")
    assert mine.finished_stages() == theirs.finished_stages()
    assert same_rows(theirs.path, mine.path, within=within) >= 3


COMMANDS = pytest.mark.parametrize(
    ("words", "left"),
    [
        (["sample", "n=3", "out={}/x"], "x.npz"),
        (["sample", "n=3", "stage=teacher", "steps=3", "w=1", "out={}/x"], "x.npz"),
        (
            ["evaluate", "n=2", "--likelihood", "steps=[4]", "ode_n=2", "ode_steps=4"],
            "summary.json",
        ),
        ([*OPTIMIZE, "grid=dp", "n=4", "times=8"], "optimized/dp_2.json"),
        ([*OPTIMIZE, "sampler=ggdm", "updates=2", "batch_size=8"], "optimized/ggdm_2.json"),
    ],
    ids=["sample", "sample-guided", "likelihood", "dp", "ggdm"],
)


@pytest.fixture
def done(tmp_path: Path, on_the_cpu: Callable[[str], RunFolder]) -> Callable[..., list[float]]:
    """The numbers that a command leaves in a copy of the run that it is given."""

    def numbers_left(words: list[str], left: str, device: str) -> list[float]:
        folder = tmp_path / device
        shutil.copytree(on_the_cpu("progressive").path, folder)
        command, *others = (word.format(folder) for word in words)
        assert run(command, str(folder), *others, f"device={device}") == 0
        if left.endswith("npz"):
            with np.load(folder / left) as arrays:
                return arrays["x"].flatten().tolist()
        return numbers(json.loads((folder / left).read_text()))

    return numbers_left


@COMMANDS
def test_a_command_does_what_it_does_on_the_cpu(
    words: list[str],
    left: str,
    done: Callable[..., list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = done(words, left, "cpu")
    assert expected
    for task in (evaluate, optimize, sample):
        monkeypatch.setattr(task, "best_device", lambda name: ELSEWHERE)
    with elsewhere():
        assert done(words, left, "auto") == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.gpu
@COMMANDS
def test_a_command_does_on_a_gpu_what_it_does_on_the_cpu(
    words: list[str], left: str, done: Callable[..., list[float]], cuda: torch.device
) -> None:
    expected = done(words, left, "cpu")
    assert done(words, left, str(cuda)) == pytest.approx(expected, rel=1e-2, abs=1e-3)
