"""``teacher=<run or checkpoint>`` replaces the first stage; what can be done with the result."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.evaluate import EvaluateOptions, evaluate
from genrl.tasks.sample import SampleOptions, sample
from genrl.tasks.train import train

SMALL = [
    "+experiment=cfg_distill",
    "device=cpu",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
    "training.updates=4",
    "training.batch_size=16",
    "feature=digits",
    "feature.updates=30",
]
MEASURED = [
    "evaluation.num_samples=20",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[1]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,4]",
    "evaluation.every=0",
]
LADDER = [
    "distill.start=4",
    "distill.start_factor=null",
    "distill.guided_updates=3",
    "distill.updates=3",
    "distill.last_updates=null",
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that ends with its teacher."""
    path = tmp_path_factory.mktemp("runs") / "teacher"
    return train(compose([*SMALL, "distill=none", "callback@evaluation=none"]), path)


@pytest.fixture(scope="module")
def ladder(teacher: RunFolder) -> RunFolder:
    """Its distillation by factors of four."""
    overrides = [*SMALL, *MEASURED, *LADDER, f"teacher={teacher.path}", "distill.factor=4"]
    return train(compose(overrides), teacher.path.parent / "ladder")


def test_the_first_stage_is_skipped_and_measured(teacher: RunFolder, ladder: RunFolder) -> None:
    assert teacher.finished_stages() == ["teacher"]
    assert ladder.finished_stages() == ["guided", "4", "1"]
    with ladder.metrics.open(newline="") as file:
        assert [row["stage"] for row in csv.DictReader(file)] == ["guided", "4", "1"]
    rows = json.loads(ladder.summary.read_text())["stages"]
    assert [(row["name"], row["num_steps"]) for row in rows[::2]] == [
        ("teacher", 4),
        ("teacher", 1),
        ("guided", 2),
        ("4", 4),
        ("1", 1),
    ]
    given = {row["w"]: row for row in rows if (row["name"], row["num_steps"]) == ("teacher", 4)}
    assert given[0.0]["network_evaluations"] == 4
    assert given[4.0]["network_evaluations"] == 8
    assert all(row["paired_rmse"] > 0 for row in rows if row["name"] != "teacher")


def test_a_checkpoint_file_is_as_good_as_a_run(teacher: RunFolder, ladder: RunFolder) -> None:
    file = teacher.stage_checkpoint("teacher")
    overrides = [*SMALL, *LADDER, f"teacher={file}", "distill.factor=4", "callback@evaluation=none"]
    again = train(compose(overrides), teacher.path.parent / "from_file")
    mine, other = (
        torch.load(run.stage_checkpoint("1"), weights_only=True)["state_dict"]
        for run in (ladder, again)
    )
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_a_teacher_of_another_form_is_refused(teacher: RunFolder, tmp_path: Path) -> None:
    overrides = [*SMALL[:2], f"teacher={teacher.path}", "data=gaussian_mixture"]
    with pytest.raises(ConfigurationError, match=r"U-Net needs images|trained on data of shape"):
        train(compose(overrides), tmp_path / "run")


def test_a_student_is_no_teacher(ladder: RunFolder, tmp_path: Path) -> None:
    overrides = [*SMALL, *LADDER, f"teacher={ladder.stage_checkpoint('1')}"]
    with pytest.raises(ConfigurationError, match="not the checkpoint of a teacher stage"):
        train(compose(overrides), tmp_path / "run")


def test_samples_of_a_stage_are_those_of_its_evaluation(ladder: RunFolder) -> None:
    _, file = sample(ladder.path, SampleOptions(n=20, w=4.0, stage="1"))
    with np.load(file) as arrays:
        x, label = arrays["x"], arrays["label"]
    assert x.shape == (20, 1, 8, 8)
    assert label.tolist() == [index % 10 for index in range(20)]
    _, one = sample(ladder.path, SampleOptions(n=3, w=0.0, stage="1", label=7))
    with np.load(one) as arrays:
        assert arrays["label"].tolist() == [7, 7, 7]
        # The same noise under another class and weight is another picture.
        assert not np.allclose(arrays["x"], x[:3])
    with pytest.raises(ConfigurationError, match="no finished stage '3'"):
        sample(ladder.path, SampleOptions(stage="3"))


def test_evaluating_again_gives_the_same_numbers(ladder: RunFolder) -> None:
    def numbers() -> list[dict[str, object]]:
        rows = json.loads(ladder.summary.read_text())["stages"]
        return [{k: v for k, v in row.items() if k != "seconds_per_image"} for row in rows]

    before = numbers()
    evaluate(ladder.path, EvaluateOptions(device="cpu"))
    assert numbers() == before
    assert "Fréchet" in ladder.report.read_text()


def test_one_table_has_one_number_of_samples(ladder: RunFolder) -> None:
    before = ladder.summary.read_bytes()
    with pytest.raises(ConfigurationError, match="measured with 20 samples: give n=20"):
        evaluate(ladder.path, EvaluateOptions(device="cpu", n=30, stage="1"))
    assert ladder.summary.read_bytes() == before
    with np.load(ladder.samples / "reference.npz") as references:
        stored = set(references.files)
    evaluate(ladder.path, EvaluateOptions(device="cpu", stage="1", w=[4.0]))
    with np.load(ladder.samples / "reference.npz") as references:
        assert set(references.files) == stored == {"0.0", "4.0"}
