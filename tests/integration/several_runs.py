"""Runs in several processes, forked from the test's own, and what they leave behind."""

import csv
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from together import together


def in_processes(work: Callable[[], Any], folder: Path, count: int = 2) -> None:
    """Do the same in several processes that think torchrun has started them.

    Args:
        work: such as ``train``.
        folder: for the rendezvous, made here.
        count: of processes.
    """
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def begin(rank: int) -> None:
        os.environ |= {
            "TORCHELASTIC_RUN_ID": "test",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
        }
        work()

    together(begin, folder, count)


def same_rows(one: Path, two: Path, within: float = 1e-5) -> int:
    """Every number of metrics.csv agrees; how many rows there are.

    Args:
        one: folder of a run.
        two: of another one.
        within: how much a number may differ, relatively and absolutely.
    """
    rows, others = (
        list(csv.DictReader((path / "metrics.csv").read_text().splitlines())) for path in (one, two)
    )
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row.pop("stage") == other.pop("stage")
        # A metric of another stage is empty.
        mine, theirs = (
            {key: float(value) for key, value in found.items() if value} for found in (row, other)
        )
        assert theirs == pytest.approx(mine, rel=within, abs=within)
    return len(rows)


def same_learned_schedules(one: Path, two: Path) -> None:
    """The schedule has learned, and every weight of the teacher agrees within 1e-5."""
    mine, other = (
        torch.load(run / "checkpoints" / "teacher.ckpt", weights_only=True)["state_dict"]
        for run in (one, two)
    )
    assert mine["schedule.log_weights"].std() > 0
    torch.testing.assert_close(other, mine, rtol=1e-5, atol=1e-5)


def same_runs(
    one: Path, two: Path, ignore: str = "nothing", *, rtol: float = 1e-5, atol: float = 1e-5
) -> None:
    """Every number of metrics.csv; every weight, average and moment of every checkpoint.

    Args:
        one: folder of a run.
        two: of another one.
        ignore: part of the names of weights that may differ.
        rtol: how much what is in checkpoints may differ, relatively.
        atol: and absolutely.
    """
    assert same_rows(one, two) > 0
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*.ckpt"))
    assert names == sorted(str(path.relative_to(two)) for path in two.rglob("*.ckpt"))
    assert "checkpoints/last.ckpt" in names
    for name in names:
        mine, other = (torch.load(path / name, weights_only=True) for path in (one, two))
        for checkpoint in (mine, other):
            checkpoint["genrl"].pop("config", None)  # which names devices
        flat, other_flat = dict(leaves(mine)), dict(leaves(other))
        assert other_flat.keys() == flat.keys()
        for key, value in flat.items():
            if ignore in key:
                continue
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(
                    other_flat[key], value, rtol=rtol, atol=atol, msg=f"{name}: {key}"
                )
            else:
                assert other_flat[key] == value, (name, key)


def leaves(state: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Tensors and plain values of a checkpoint, each with its path."""
    if isinstance(state, dict | list | tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        for name, value in pairs:
            yield from leaves(value, f"{key}/{name}")
    else:
        yield key, state
