"""Averages made after training, from the command line: made, sampled, measured, distilled."""

from pathlib import Path

import pytest
import torch
from command_line import mistake, run

from genrl import checkpoints
from genrl.run_folder import RunFolder
from genrl.tasks.ema import reconstruct

DATA = ["data=gaussian_mixture", "network=mlp_small", "device=cpu"]
QUICK = [
    "training.learning_rate=5e-3",
    "training.batch_size=32",
    "evaluation.num_samples=32",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[2]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,2]",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stored averages, and two made of them."""
    path = tmp_path_factory.mktemp("averages") / "run"
    words = [*DATA, *QUICK, "training.updates=48", f"hydra.run.dir={path}"]
    assert run("train", *words, "+callback@callbacks.posthoc_ema=posthoc_ema") == 0
    assert run("ema", str(path), "sigma_rel=0.1,0.2") == 0
    return path


def test_they_are_stages_of_the_run(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(trained)
    assert folder.finished_stages() == ["teacher", "teacher_ema0.1", "teacher_ema0.2"]
    last = folder.load_stage(None)
    assert last["genrl"]["stage"] == "teacher"
    snapshots = [checkpoints.load(file) for file in folder.snapshots("teacher")]
    for width in (0.1, 0.2):
        made = folder.load_stage(f"teacher_ema{width}")["state_dict"]
        weights, _ = reconstruct(snapshots, width)
        assert made.keys() == last["state_dict"].keys()
        for key, value in weights.items():
            assert torch.equal(made[key], value)
        assert not all(torch.equal(made[key], last["state_dict"][key]) for key in weights)
    assert run("sample", str(trained), "stage=teacher_ema0.1", "n=4", "steps=2") == 0
    assert "teacher_ema0.1" in capsys.readouterr().out


def test_they_are_measured_beside_the_stage(trained: Path) -> None:
    folder = RunFolder(trained)
    before = folder.read_summary()["stages"]
    assert run("evaluate", str(trained), "stage=teacher_ema0.1") == 0
    rows = folder.read_summary()["stages"]
    assert {row["name"] for row in rows} == {"teacher", "teacher_ema0.1"}
    assert [row for row in rows if row["name"] == "teacher"] == before
    assert "teacher_ema0.1" in folder.report.read_text()


def test_they_are_teachers(trained: Path, tmp_path: Path) -> None:
    teacher = RunFolder(trained).stage_checkpoint("teacher_ema0.1")
    path = tmp_path / "student"
    words = [*DATA, "callback@evaluation=none", f"teacher={teacher}", f"hydra.run.dir={path}"]
    ladder = ["distill.start=1", "distill.guided_updates=1", "distill.updates=2"]
    assert run("train", *words, "distill=progressive", *ladder) == 0
    assert RunFolder(path).finished_stages() == ["guided", "1"]
    # An update does not go far from where it began.
    student = RunFolder(path).load_stage("guided")["state_dict"]
    distance = {
        name: sum(
            (student[key] - value).square().sum().item()
            for key, value in RunFolder(trained).load_stage(name)["state_dict"].items()
        )
        for name in ("teacher_ema0.1", "teacher")
    }
    assert distance["teacher_ema0.1"] < distance["teacher"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sigma_rel=0.3"], "between 0 and 0.289"),
        (["stage=teacher_ema0.1"], "is an average already"),
        (["stage=teacher_ema0.3"], "no finished stage 'teacher_ema0.3'"),
        (["sigma=0.1"], "sigma"),
    ],
)
def test_mistakes_are_told(
    trained: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert message in mistake(capsys, "ema", str(trained), *words)
