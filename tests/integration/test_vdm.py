"""A learned schedule is killed and resumed, and trained in several processes, like all else."""

from pathlib import Path

import pytest
import torch
from processes import finished, genrl, killed
from several_runs import same_learned_schedules

OVERRIDES = [
    "+experiment=vdm",
    "+callback@callbacks.killer=killer",
    "device=cpu",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
    "network.dropout=0.1",
    "training.updates=12",
    "training.batch_size=16",
    "callbacks.likelihood.num_examples=20",
    "checkpoint.every=5",
]


@pytest.mark.slow
def test_two_processes_learn_the_schedule_of_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    words = [w for w in OVERRIDES if "killer" not in w and "dropout" not in w]
    words.append("network.dropout=0")  # each process has masks of its own
    finished(genrl("train", *words, f"hydra.run.dir={one}"))
    several = ["trainer=ddp", "trainer.devices=2"]
    finished(genrl("train", *words, *several, f"hydra.run.dir={two}"))
    same_learned_schedules(one, two)


@pytest.mark.slow
def test_schedule_weights_and_metrics_are_equal_bit_for_bit(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    said = finished(genrl("train", *OVERRIDES, f"hydra.run.dir={straight}"))
    assert "held-out" in said
    killed(genrl("train", *OVERRIDES, f"hydra.run.dir={broken}", kill="7:update"))
    finished(genrl("resume", str(broken)))
    for name in ("teacher.ckpt", "last.ckpt"):
        mine, other = (
            torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]
            for run in (straight, broken)
        )
        learned = [key for key in mine if "schedule.log_weights" in key]
        assert learned
        assert all(mine[key].std() > 0 for key in learned)
        for key, value in mine.items():
            assert torch.equal(value, other[key]), (name, key)
    for name in ("metrics.csv", "summary.json"):
        assert (straight / name).read_text() == (broken / name).read_text()
