"""Run configs of somebody else: classes that are none of genrl's, references, paths, modules."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import AGENT, SMALL, Refused

from genrl.config import compose
from genrl.run_folder import RunFolder
from genrl.sweeps.job import _exit_code


def rewrite(folder: RunFolder, key: str, value: Any) -> None:
    """Another value under a dotted key of config.yaml."""
    config = yaml.safe_load((folder.path / "config.yaml").read_text())
    inner = config
    *parents, last = key.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    (folder.path / "config.yaml").write_text(yaml.safe_dump(config))


MKDIR = {"_target_": "os.mkdir", "path": "it_went_off"}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("optimizer", MKDIR, "_target_ 'os.mkdir' is not allowed"),
        ("trainer", {**MKDIR, "accelerator": "cpu"}, "_target_ 'os.mkdir' is not allowed"),
        ("trainer._target_", "lightning.pytorch.cli.LightningCLI", "is no Trainer"),
        (
            "optimizer._target_",
            "lightning.pytorch.trainer.connectors.signal_connector.call",
            "is no Optimizer",
        ),
        ("trainer.strategy", MKDIR, "'strategy' must be a value, not another _target_"),
        ("trainer._partial_", True, "lightning.Trainer: "),
        ("logger", {"evil": MKDIR}, "_target_=os.mkdir is not allowed"),
        ("data", MKDIR, "the data has no name"),
        ("network.name", "../networks/mlp", "no network is called '../networks/mlp'"),
        ("sampler.name", "os.system", "no sampler is called 'os.system'"),
        ("callbacks", {"evil": MKDIR}, "the callback has no name"),
        ("network.features", "${oc.env:SECRET}", "must be a value, not a reference"),
        ("data", {"name": "image_folder", "root": "${oc.env:SECRET}"}, "must be a value"),
        ("checkpoint.every", "${oc.decode:'1'}", "must be a value, not a reference"),
    ],
)
def test_a_config_of_a_run_that_is_resumed(
    key: str,
    value: Any,
    reason: str,
    begun: RunFolder,
    refused: Refused,
    sentinel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(sentinel.parent)
    monkeypatch.setenv("SECRET", "swordfish")
    rewrite(begun, key, value)
    line = refused("resume", str(begun.path))
    assert reason in line
    assert "swordfish" not in line


@pytest.mark.parametrize("name", ["config.yaml", "versions.yaml", "multirun.yaml"])
def test_yaml_that_names_python_objects(
    name: str, begun: RunFolder, refused: Refused, sentinel: Path
) -> None:
    path = begun.path / name
    path.write_text(f"a: !!python/object/apply:os.mkdir ['{sentinel}']\n")
    assert f"{name} is not readable YAML" in refused("resume", str(begun.path))


def test_yaml_that_holds_itself(begun: RunFolder, refused: Refused) -> None:
    (begun.path / "config.yaml").write_text("a: &a\n  b: *a\n")
    assert "contains itself" in refused("resume", str(begun.path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"env": {"name": "gymnasium", "id": "antigravity:X-v0"}}, "of Python itself"),
        ({"env": {"name": "gymnasium", "id": "idlelib.idle:X-v0"}}, "of Python itself"),
        ({"env": {"name": "os.path", "id": "X-v0"}}, "no env is called 'os.path'"),
    ],
)
def test_an_environment_of_a_module_that_has_none(
    change: dict[str, Any], reason: str, tmp_path: Path, refused: Refused
) -> None:
    folder = RunFolder.create(tmp_path / "agent", {**compose(AGENT), **change})
    assert reason in refused("resume", str(folder.path))


@pytest.mark.parametrize("place", ["../../away", "/tmp/genrl_away", "~/away", "a/../../away"])
def test_a_replay_buffer_stays_in_its_run(place: str, tmp_path: Path, refused: Refused) -> None:
    config = compose(["+experiment=sac", "env=pendulum", "buffer=replay"])
    config["buffer"]["folder"] = place
    folder = RunFolder.create(tmp_path / "agent", config)
    assert "leads out of" in refused("resume", str(folder.path))


@pytest.mark.parametrize(
    "word",
    [
        "sampler=../../evil",
        "sampler=a/b",
        "sampler@student_sampler=../ddim",
        "+experiment=../experiment/cfg_distill",
        "+callback@callbacks.x=../callback/none",
        "network=/etc/passwd",
    ],
)
def test_a_component_with_a_path(word: str, refused: Refused) -> None:
    assert "is called" in refused("train", *SMALL, word)


def test_a_job_of_a_sweep_imports_nothing_from_the_current_folder(
    tmp_path: Path, sentinel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Someone's folder may hold a package ``genrl`` of its own."""
    (tmp_path / "genrl").mkdir()
    for name in ("__init__", "__main__"):
        code = f"import os; os.mkdir({str(sentinel)!r})"
        (tmp_path / "genrl" / f"{name}.py").write_text(code)
    assert _exit_code(["--version"], {}, str(tmp_path)) == 0
    assert capfd.readouterr().out.strip()
    assert "PYTHONSAFEPATH" not in os.environ
