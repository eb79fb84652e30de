"""The evaluation of stages one after the other: what is measured, kept and drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion import (
    ClassifierFreeGuidance,
    ConditionalDenoise,
    CosineSchedule,
    DDIMSampler,
    GaussianDenoiser,
    Prediction,
    SampleDrawer,
    UniformTimeGrid,
)
from genrl.evaluation.evaluator import Evaluator
from genrl.evaluation.features import features
from genrl.evaluation.ladder import LadderEvaluation, Plan
from genrl.evaluation.pictures import Pictures
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.typing import DataSpec

SPEC = DataSpec((2,), 2)
SCHEDULE = CosineSchedule()
PLAN = Plan(w=(0.0, 1.5), reference_steps=8, teacher_steps=(4, 8, 2), guided_steps=(6, 3))


def model(spread: float = 0.3) -> GaussianDenoiser:
    means = torch.tensor([[-1.0, 0.5], [1.0, -0.5]])
    stds = torch.full((2, 2), spread)
    return GaussianDenoiser(SCHEDULE, torch.zeros(2), torch.ones(2), means, stds)


def make_drawer(denoiser: ConditionalDenoise, is_guided: bool) -> SampleDrawer:
    return SampleDrawer(
        denoiser,
        DDIMSampler(SCHEDULE, UniformTimeGrid(SCHEDULE)),
        SPEC,
        guidance=ClassifierFreeGuidance(2),
        thresholding=None,
        is_guided=is_guided,
    )


def evaluation(
    folder: Path, *, num_samples: int = 10, plan: Plan = PLAN, is_writer: bool = True
) -> tuple[LadderEvaluation, list[str]]:
    train = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    said: list[str] = []
    run = RunFolder(folder)
    evaluator = Evaluator(
        features.build("identity", SPEC), SPEC, train, None, num_samples=num_samples, seed=1
    )
    return LadderEvaluation(
        run,
        evaluator,
        plan,
        make_drawer,
        Pictures(run, SPEC, ("left", "right")),
        {"name": "test", "num_samples": num_samples},
        is_writer=is_writer,
        say=said.append,
    ), said


def keys(folder: Path) -> list[tuple[str, int, float]]:
    rows = json.loads((folder / "summary.json").read_text())["stages"]
    return [(row["name"], row["num_steps"], row["w"]) for row in rows]


def without_time(folder: Path) -> list[dict[str, Any]]:
    rows = json.loads((folder / "summary.json").read_text())["stages"]
    return [{k: v for k, v in row.items() if k != "seconds_per_image"} for row in rows]


def run_ladder(folder: Path) -> LadderEvaluation:
    ladder, _ = evaluation(folder)
    ladder.stage("teacher", model(), num_steps=None, is_guided=False)
    ladder.stage("guided", model(), num_steps=None, is_guided=True)
    ladder.stage("4", model(0.2), num_steps=4, is_guided=True)
    return ladder


ALL_KEYS = [
    ("teacher", 8, 0.0),
    ("teacher", 8, 1.5),
    ("teacher", 4, 0.0),
    ("teacher", 4, 1.5),
    ("teacher", 2, 0.0),
    ("teacher", 2, 1.5),
    ("guided", 6, 0.0),
    ("guided", 6, 1.5),
    ("guided", 3, 0.0),
    ("guided", 3, 1.5),
    ("4", 4, 0.0),
    ("4", 4, 1.5),
]


def test_steps_of_a_plan() -> None:
    assert PLAN.steps(None, is_guided=False) == (8, 4, 2)
    assert PLAN.steps(None, is_guided=True) == (6, 3)
    assert PLAN.steps(4, is_guided=True) == (4,)
    assert PLAN.steps(1, is_guided=False) == (1,)


def test_rows_are_complete_and_in_order(tmp_path: Path) -> None:
    run_ladder(tmp_path)
    assert keys(tmp_path) == ALL_KEYS
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["name"] == "test"
    assert summary["num_samples"] == 10
    rows = {(r["name"], r["num_steps"], r["w"]): r for r in summary["stages"]}
    # The reference has no partner; everything else has one, at the same weight.
    for key, row in rows.items():
        assert (row["paired_rmse"] is None) == (key[:2] == ("teacher", 8))
        assert row["frechet_ratio"] is not None
    assert rows["teacher", 8, 1.5]["frechet_ratio"] == pytest.approx(1, rel=1e-9)
    assert rows["teacher", 8, 1.5]["network_evaluations"] == 16
    assert rows["guided", 6, 1.5]["network_evaluations"] == 6


def test_pairs_share_their_noise(tmp_path: Path) -> None:
    """The same model with the same steps gives the same samples: rmse 0, at w = 0 alone."""
    ladder, _ = evaluation(tmp_path)
    ladder.stage("teacher", model(), num_steps=None, is_guided=False)
    without, with_guidance = ladder.stage("8", model(), num_steps=8, is_guided=True)
    assert without.paired_rmse == 0
    assert with_guidance.paired_rmse is not None
    assert with_guidance.paired_rmse > 0.1


def test_a_stage_measured_again_replaces_its_rows_in_their_place(tmp_path: Path) -> None:
    run_ladder(tmp_path)
    before = without_time(tmp_path)
    ladder, _ = evaluation(tmp_path)
    ladder.stage("guided", model(0.05), num_steps=None, is_guided=True)
    after = without_time(tmp_path)
    assert keys(tmp_path) == ALL_KEYS
    for old, new in zip(before, after, strict=True):
        assert (old == new) == (old["name"] != "guided")


def test_a_second_evaluation_goes_on_with_the_same_references(tmp_path: Path) -> None:
    """Resumed between two stages, the rows are those of a run that was not."""
    first = run_ladder(tmp_path / "whole")
    ladder, _ = evaluation(tmp_path / "parts")
    ladder.stage("teacher", model(), num_steps=None, is_guided=False)
    for name, steps, spread in (("guided", None, 0.3), ("4", 4, 0.2)):
        again, _ = evaluation(tmp_path / "parts")
        for w in PLAN.w:
            assert torch.equal(again.evaluator.references[w], first.evaluator.references[w])
            own = again.evaluator.reference_frechet[w]
            assert own == first.evaluator.reference_frechet[w]
        again.stage(name, model(spread), num_steps=steps, is_guided=True)
    assert without_time(tmp_path / "parts") == without_time(tmp_path / "whole")


def test_references_of_another_size_are_not_paired(tmp_path: Path) -> None:
    run_ladder(tmp_path)
    ladder, _ = evaluation(tmp_path, num_samples=9)
    assert ladder.evaluator.references == {}
    rows = ladder.stage("4", model(0.2), num_steps=4, is_guided=True)
    assert all(row.paired_rmse is None for row in rows)


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "other"])
def test_damaged_references_are_named(tmp_path: Path, damage: str) -> None:
    run_ladder(tmp_path)
    path = tmp_path / "samples" / "reference.npz"
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[200] ^= 0xFF
    content = {"truncated": whole[:-30], "altered": bytes(altered), "empty": b"", "other": b"abc"}
    path.write_bytes(content[damage])
    with pytest.raises(ConfigurationError, match=r"reference\.npz is damaged .* delete it"):
        evaluation(tmp_path)


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    ladder, _ = evaluation(tmp_path, is_writer=False)
    rows = ladder.stage("teacher", model(), num_steps=None, is_guided=False)
    assert len(rows) == 6
    assert not list(tmp_path.iterdir())


def test_a_model_that_generates_nan_is_told(tmp_path: Path) -> None:
    class Broken:
        def __call__(self, z: Tensor, t: Tensor, label: Any = None, w: Any = None) -> Prediction:
            good = model()(z, t, label)
            return Prediction(good.x * float("nan"), good.eps, good.level)

    ladder, _ = evaluation(tmp_path)
    with pytest.raises(ConfigurationError, match=r"stage '2' generates NaN .* and w = 0\.0"):
        ladder.stage("2", Broken(), num_steps=2, is_guided=True)
    assert not (tmp_path / "summary.json").exists()


def test_what_is_said(tmp_path: Path) -> None:
    ladder, said = evaluation(tmp_path)
    rows = ladder.stage("1", model(), num_steps=1, is_guided=True)
    assert said == [
        f"  1 step: Fréchet distance w=0: {rows[0].frechet:.2f}, w=1.5: {rows[1].frechet:.2f}"
    ]


def test_pictures_are_indexed_once(tmp_path: Path) -> None:
    for _ in range(2):
        run_ladder(tmp_path)
    entries = json.loads((tmp_path / "samples" / "index.json").read_text())
    assert [(e["stage"], e["num_steps"], e["kind"]) for e in entries] == [
        ("teacher", 8, "grid"),
        ("teacher", 4, "grid"),
        ("teacher", 2, "grid"),
        ("guided", 6, "grid"),
        ("guided", 3, "grid"),
        ("4", 4, "grid"),
    ]
    for entry in entries:
        assert (tmp_path / "samples" / entry["file"]).stat().st_size > 0
    assert [e["caption"] for e in entries][3:] == ["guided, 6 steps", "guided, 3 steps", "4 steps"]


def test_preview(tmp_path: Path) -> None:
    ladder, _ = evaluation(tmp_path)
    ladder.preview("teacher", 50, model(), 4, is_guided=False)
    assert [p.name for p in (tmp_path / "samples").iterdir()] == ["teacher_update000050.png"]
