"""Checkpoints of somebody else: bombs, lies about the stage, classes of their own."""

import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import SMALL, Bomb, Refused

from genrl import checkpoints
from genrl.run_folder import RunFolder


def plain_pickle(bomb: Bomb) -> bytes:
    return pickle.dumps({"genrl": {}, "state_dict": bomb})


def saved(bomb: Bomb) -> bytes:
    buffer = io.BytesIO()
    torch.save({"genrl": {"stage": "teacher", "updates": 2}, "state_dict": bomb}, buffer)
    return buffer.getvalue()


def saved_in_the_old_way(bomb: Bomb) -> bytes:
    buffer = io.BytesIO()
    torch.save({"genrl": bomb}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def script(bomb: Bomb) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.ones(1)), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "command"),
    [
        *((saved, command) for command in ("resume", "sample", "evaluate", "export", "train")),
        *((make, "sample") for make in (plain_pickle, saved_in_the_old_way, script)),
    ],
)
def test_a_bomb_in_a_checkpoint(
    make: Callable[[Bomb], bytes],
    command: str,
    trained: RunFolder,
    sentinel: Path,
    refused: Refused,
) -> None:
    for path in trained.checkpoints.glob("*.ckpt"):
        path.write_bytes(make(Bomb(sentinel)))
    words = {
        "export": ("export", str(trained.path), "--to", "diffusers"),
        "train": ("train", *SMALL, f"teacher={trained.path}", "distill=progressive"),
    }.get(command, (command, str(trained.path)))
    line = refused(*words)
    assert "is refused: it holds more than tensors" in line or "is damaged" in line


def test_a_bomb_goes_off_where_it_is_let(tmp_path: Path) -> None:
    """Otherwise the others prove nothing."""
    pickle.loads(plain_pickle(Bomb(tmp_path / "first")))
    torch.load(io.BytesIO(saved(Bomb(tmp_path / "second"))), weights_only=False)
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def spoilt(folder: RunFolder, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the teacher's checkpoint says of itself."""
    path = folder.stage_checkpoint("teacher")
    content = checkpoints.load(path)
    change(content["genrl"])
    checkpoints.save(path, content)


@pytest.mark.parametrize("stage", ["../../escaped", "/tmp/escaped", "other", None, ["teacher"]])
@pytest.mark.parametrize("command", ["sample", "export --to=diffusers", "ema sigma_rel=0.1"])
def test_a_stage_that_is_a_path(
    stage: Any, command: str, trained: RunFolder, refused: Refused, tmp_path: Path
) -> None:
    spoilt(trained, lambda about: about.update(stage=stage))
    before = set(tmp_path.rglob("*"))
    word, *more = command.split()
    assert "holds the stage" in refused(word, str(trained.path), *more)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"network": {"_target_": "os.mkdir", "path": "it_went_off"}}, "the network has no name"),
        (
            {"network": {"name": "mlp", "_target_": "os.mkdir"}},
            "network 'mlp' has no parameter '_target_'",
        ),
        ({"sampler": {"name": "../../evil"}}, "no sampler is called '../../evil'"),
        ({"sampler": {"name": "os/system"}}, "no sampler is called 'os/system'"),
        ({"schedule": {"name": "__init__"}}, "no schedule is called '__init__'"),
    ],
)
def test_a_config_in_a_checkpoint(
    change: dict[str, Any],
    reason: str,
    trained: RunFolder,
    refused: Refused,
    sentinel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(sentinel.parent)
    spoilt(trained, lambda about: about["config"].update(change))
    assert reason in refused("sample", str(trained.path), "n=2")
