"""A run's folder: what it refuses, and the order of its stages."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genrl import checkpoints
from genrl.config import compose
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder

CONFIG: dict[str, Any] = compose(["+experiment=cfg_distill", "seed=3"])


def finish(folder: RunFolder, stage: str, updates: int) -> None:
    about = {"updates": updates, "stage": stage, "is_guided": False, "config": {}}
    content = {"genrl": about, "state_dict": {}}
    checkpoints.save(folder.stage_checkpoint(stage), content)


def test_create_and_open(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    assert RunFolder.open(tmp_path / "run").config() == CONFIG
    versions = yaml.safe_load((folder.path / "versions.yaml").read_text())
    assert versions["genrl"] == "0.1.0"
    assert {"torch", "lightning", "hydra-core", "numpy"} <= set(versions)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(ConfigurationError, match=r"holds a run already: .*genrl resume"):
        RunFolder.create(tmp_path, {**CONFIG, "seed": 4})
    assert RunFolder(tmp_path).config()["seed"] == 3


def test_a_folder_above_the_runs(tmp_path: Path) -> None:
    for name in ("2026-01-01", "2026-02-01"):
        RunFolder.create(tmp_path / name, CONFIG)
    with pytest.raises(ConfigurationError, match=r"no config\.yaml\. Did you mean .*2026-02-01\?"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a: [1", "is not readable YAML"), ("- 1\n", "does not hold a mapping"), ("", "mapping")],
)
def test_a_broken_config(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        RunFolder.open(tmp_path).config()


def test_stages_are_in_the_order_of_their_updates(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, CONFIG)
    assert folder.finished_stages() == []
    with pytest.raises(ConfigurationError, match=r"no stage of .* is finished yet: genrl resume"):
        folder.load_stage(None)
    for stage, updates in (("8", 40), ("teacher", 10), ("16", 30), ("guided", 20)):
        finish(folder, stage, updates)
    for other in (folder.last, folder.previous):
        checkpoints.save(other, {"genrl": {"updates": 99, "stage": "4"}})
    assert folder.finished_stages() == ["teacher", "guided", "16", "8"]
    assert folder.load_stage(None)["genrl"]["stage"] == "8"
    assert folder.load_stage("guided")["genrl"]["stage"] == "guided"
    with pytest.raises(ConfigurationError) as caught:
        folder.load_stage("guide")
    assert str(caught.value).endswith(
        "has no finished stage 'guide'. Did you mean 'guided'? Stages: teacher, guided, 16, 8"
    )


def test_summary(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, CONFIG)
    assert folder.read_summary() == {}
    folder.write_summary({"stages": [{"frechet": 1.25}]})
    assert folder.read_summary() == {"stages": [{"frechet": 1.25}]}
    assert json.loads(folder.summary.read_text()) == folder.read_summary()
    folder.summary.write_text('{"stages": [')
    with pytest.raises(ConfigurationError, match="is not readable JSON"):
        folder.read_summary()
