"""Whole runs and commands where no tensor may stray to the CPU: what they leave is the CPU's."""

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


@pytest.mark.parametrize(
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
def test_a_command_does_what_it_does_on_the_cpu(
    words: list[str],
    left: str,
    tmp_path: Path,
    on_the_cpu: Callable[[str], RunFolder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def done(folder: Path) -> list[float]:
        shutil.copytree(on_the_cpu("progressive").path, folder)
        command, *others = (word.format(folder) for word in words)
        assert run(command, str(folder), *others) == 0
        if left.endswith("npz"):
            with np.load(folder / left) as arrays:
                return arrays["x"].flatten().tolist()
        return numbers(json.loads((folder / left).read_text()))

    expected = done(tmp_path / "cpu")
    assert expected
    for task in (evaluate, optimize, sample):
        monkeypatch.setattr(task, "best_device", lambda name: ELSEWHERE)
    with elsewhere():
        assert done(tmp_path / "elsewhere") == pytest.approx(expected, rel=1e-4, abs=1e-5)
