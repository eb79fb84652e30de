"""What is stored in each stage for averages of any width, against the sum that defines it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer

from genrl import checkpoints
from genrl.callbacks import PosthocEMACallback, RunContext, StageCallback, callbacks
from genrl.diffusion import Stage
from genrl.modules import DiffusionModule
from genrl.networks.power_average import gamma_of
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.ema import reconstruct

BIAS = "network.output.bias"


class Watch(StageCallback):
    """One weight after each update of each stage."""

    def __init__(self) -> None:
        self.weights: dict[str, list[float]] = {}

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        weight = module.denoiser.get_parameter(BIAS)[0].item()
        self.weights.setdefault(stage.name, []).append(weight)


def weighted(sigma_rel: float, history: list[float]) -> float:
    """Each step by the integral of the profile over it."""
    ends = torch.linspace(0, 1, len(history) + 1, dtype=torch.float64) ** (gamma_of(sigma_rel) + 1)
    return (ends.diff() * torch.tensor(history, dtype=torch.float64)).sum().item()


def test_every_stage_is_stored_and_any_width_is_made(
    make_run: Any, make_stage: Any, tmp_path: Path
) -> None:
    """Students too, which keep no other average; the second stage starts anew."""
    run = make_run(
        [make_stage("a", 32, 0.5), make_stage("b", 8, 0.2)],
        [[1.0] * 32, [1.0] * 8],
    )
    folder, watch = RunFolder(tmp_path), Watch()
    context = RunContext(folder, {})
    run.fit(PosthocEMACallback(context, snapshots=8, precision="float32"), watch)
    for stage, steps in (("a", range(4, 33, 4)), ("b", range(1, 9))):
        files = folder.snapshots(stage)
        assert [int(file.stem) for file in files] == list(steps)
        snapshots = [checkpoints.load(file) for file in files]
        for snapshot, step in zip(snapshots, steps, strict=True):
            for width, average in snapshot["averages"].items():
                expected = weighted(float(width), watch.weights[stage][:step])
                assert average[BIAS][0].item() == pytest.approx(expected, abs=1e-6)
        spread = max(watch.weights[stage]) - min(watch.weights[stage])
        for width in (0.05, 0.08, 0.15):
            made, error = reconstruct(snapshots, width)
            expected = weighted(width, watch.weights[stage])
            assert error < 0.1
            assert made[BIAS][0].item() == pytest.approx(expected, abs=0.02 * spread)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sigma_rels": []}, "at least one width"),
        ({"snapshots": 0}, "there must be a snapshot"),
        ({"sigma_rels": [0.3]}, r"between 0 and 0\.289"),
        ({"precision": "int8"}, "'int8' is not a value of 'precision'"),
    ],
)
def test_what_cannot_be_is_refused(
    parameters: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        callbacks.build({"name": "posthoc_ema", **parameters}, RunContext(RunFolder(tmp_path), {}))
