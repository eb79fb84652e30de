"""A run that is killed three times ends exactly as one that is never killed."""

import json
from pathlib import Path

import pytest
import torch
from processes import finished, genrl, killed

OVERRIDES = [
    "+experiment=cfg_distill",
    "+callback@callbacks.killer=killer",
    "+callback@callbacks.posthoc_ema=posthoc_ema",
    "callbacks.posthoc_ema.snapshots=4",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
    "network.dropout=0.1",
    "training.updates=12",
    "training.batch_size=16",
    "training.log_every=4",
    "distill.start=2",
    "distill.guided_updates=6",
    "distill.updates=7",
    "distill.last_updates=null",
    "checkpoint.every=5",
    "evaluation.num_samples=16",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[2]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,4]",
    "evaluation.every=4",
]


ON = {"cpu": ["device=cpu"], "cuda": ["device=cuda", "+trainer.deterministic=true"]}


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, str]:
    """An uninterrupted run, one that was killed three times, and what the last resume said."""
    folder = tmp_path_factory.mktemp("runs")
    straight, broken = folder / "straight", folder / "broken"
    overrides = [*OVERRIDES, *ON[request.param]]
    finished(genrl("train", *overrides, f"hydra.run.dir={straight}"))
    # In the teacher stage (12 updates), two updates after a checkpoint.
    killed(genrl("train", *overrides, f"hydra.run.dir={broken}", kill="7:update"))
    # At the boundary from the guided stage (6 updates) to the first progressive one.
    killed(genrl("resume", str(broken), kill="18:stage"))
    # In the progressive stage of 2 steps.
    killed(genrl("resume", str(broken), kill="22:update"))
    last = broken / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    return straight, broken, finished(genrl("resume", str(broken)))


def test_weights_and_optimizer_are_equal_bit_for_bit(runs: tuple[Path, Path, str]) -> None:
    straight, broken, _ = runs
    names = sorted(path.name for path in (straight / "checkpoints").glob("*.ckpt"))
    assert {"teacher.ckpt", "guided.ckpt", "2.ckpt", "1.ckpt", "last.ckpt"} <= set(names)
    for name in names:
        mine = torch.load(straight / "checkpoints" / name, weights_only=True)
        other = torch.load(broken / "checkpoints" / name, weights_only=True)
        assert mine["state_dict"].keys() == other["state_dict"].keys()
        for key, value in mine["state_dict"].items():
            assert torch.equal(value, other["state_dict"][key]), (name, key)
    moments = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]
        for run in (straight, broken)
    ]
    assert len(moments[0]["state"]) > 10
    for index, state in moments[0]["state"].items():
        assert torch.equal(state["exp_avg"], moments[1]["state"][index]["exp_avg"])


def test_stored_averages_are_equal_bit_for_bit(runs: tuple[Path, Path, str]) -> None:
    """A resume in the middle of a stage goes on with the averages that the checkpoint holds."""
    straight, broken, _ = runs
    steps = {"teacher": (3, 6, 9, 12), "guided": (2, 3, 5, 6), "2": (2, 4, 6, 7), "1": (2, 4, 6, 7)}
    names = [f"averages/{stage}/{n:08d}.ckpt" for stage, all_n in steps.items() for n in all_n]
    for run in (straight, broken):
        found = (str(path.relative_to(run)) for path in run.glob("averages/*/*"))
        assert sorted(found) == sorted(names)
    for name in names:
        mine, other = (torch.load(run / name, weights_only=True)["averages"] for run in runs[:2])
        assert mine.keys() == other.keys() == {"0.05", "0.1"}
        for width, average in mine.items():
            assert average.keys() == other[width].keys()
            for key, value in average.items():
                assert torch.equal(value, other[width][key]), (name, width, key)


def test_metrics_and_pictures_are_equal_byte_for_byte(runs: tuple[Path, Path, str]) -> None:
    straight, broken, _ = runs
    assert (straight / "metrics.csv").read_text() == (broken / "metrics.csv").read_text()
    pictures = sorted(path.name for path in (straight / "samples").glob("*.png"))
    assert len(pictures) > 10
    for name in pictures:
        left, right = (run / "samples" / name for run in (straight, broken))
        assert left.read_bytes() == right.read_bytes(), name


def test_summary_is_equal_but_for_the_time(runs: tuple[Path, Path, str]) -> None:
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs[:2]]
    for summary in summaries:
        for row in summary["stages"]:
            assert row.pop("seconds_per_image") > 0
    assert summaries[0] == summaries[1]
    assert [row["name"] for row in summaries[0]["stages"][::2]] == [
        "teacher", "teacher", "guided", "2", "1",
    ]  # fmt: skip


def test_a_truncated_checkpoint_is_passed_over_with_a_warning(
    runs: tuple[Path, Path, str],
) -> None:
    assert "last.ckpt is truncated" in runs[2]
    assert "going on from" in runs[2]
    assert "previous.ckpt" in runs[2]
