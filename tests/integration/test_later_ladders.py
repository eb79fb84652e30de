"""TRACT and consistency as runs: all stages end, and a stopped run ends as if it never stopped."""

import json
from pathlib import Path

import pytest
import torch
from stopper import Stopped, not_stopping

from genrl.config import compose
from genrl.run_folder import RunFolder
from genrl.tasks.train import resume, train

SHORT = [
    "+experiment=cfg_distill",
    "device=cpu",
    "data=gaussian_mixture",
    "network=mlp",
    "network.features=16",
    "training.updates=3",
    "training.batch_size=16",
    "distill.guided_updates=3",
    "distill.updates=6",
    "checkpoint.every=2",
    "callback@progress=none",
]
# Without its EMA, which for a few updates is the same average, the student is not what teaches it.
TRACT = ["distill=tract", "distill.start=12", "distill.steps=[4,1]", "distill.use_ema=false"]


def stages(run: RunFolder) -> dict[str, dict[str, torch.Tensor]]:
    names = [*run.finished_stages(), "last"]
    return {
        name: torch.load(run.stage_checkpoint(name), weights_only=True)["state_dict"]
        for name in names
    }


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """The average that teaches the student is in the checkpoint, and so is its count."""
    words = [*SHORT, *TRACT, "callback@evaluation=none", "+callback@callbacks.stopper=stopper"]
    straight = train(compose(words), tmp_path / "straight")
    config = compose(words)
    config["callbacks"]["stopper"]["at"] = 11  # the first stage after the guided one ends at 12
    with pytest.raises(Stopped):
        train(config, tmp_path / "broken")
    not_stopping(tmp_path / "broken")
    broken = resume(tmp_path / "broken")
    assert straight.finished_stages() == broken.finished_stages() == ["teacher", "guided", "4", "1"]
    mine, other = stages(straight), stages(broken)
    assert any(name.startswith("average.") for name in mine["last"])
    for stage, weights in mine.items():
        for name, value in weights.items():
            assert torch.equal(value, other[stage][name]), (stage, name)
    last = mine["last"]
    assert int(last["average.count"]) == 6, "it begins again at each stage"
    gap = [
        (value - last[name.replace("average.module.", "denoiser.")]).abs().max()
        for name, value in last.items()
        if name.startswith("average.module.")
    ]
    assert max(gap) > 0


@pytest.mark.parametrize("method", ["distillation", "tuning"])
def test_consistency_is_measured_at_one_step(method: str, tmp_path: Path) -> None:
    words = [
        *SHORT, "distill=consistency", f"distill.method={method}", "evaluation.num_samples=16",
        "evaluation.reference_steps=4", "evaluation.teacher_steps=[1]", "evaluation.w=[0,2]",
        "evaluation.guided_steps=[2]", "evaluation.every=0",
    ]  # fmt: skip
    run = train(compose(words), tmp_path / "run")
    assert run.finished_stages() == ["teacher", "guided", "consistency"]
    rows = json.loads(run.summary.read_text())["stages"]
    assert [(row["num_steps"], row["network_evaluations"]) for row in rows[-2:]] == [(1, 1)] * 2
    assert run.report.exists()


def test_data_without_labels_need_no_guided_stage(tmp_path: Path) -> None:
    words = [*SHORT, *TRACT, "distill.use_guidance=false", "callback@evaluation=none"]
    run = train(compose(words), tmp_path / "run")
    assert run.finished_stages() == ["teacher", "4", "1"]
