"""The benchmark times the updates of a composed experiment and judges their ratios."""

import json
import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "bench" / "ladder.py"
SMALL = ["network.channels=8", "network.head_channels=8"]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.syspath_prepend(str(TOOL.parent))
    monkeypatch.setattr(sys, "argv", [str(TOOL), *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name="__main__")
    assert isinstance(end.value.code, int)
    return end.value.code


def test_it_measures_what_users_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    words = ["--rounds", "2", "--warmup", "1", "--batch-size", "4", "--json", str(out), *SMALL]
    code = run(monkeypatch, *words)
    figures = {figure["name"]: figure for figure in json.loads(out.read_text())}
    assert list(figures) == ["guided_distillation", "progressive_distillation", "memory"]
    assert all(figure["ratio"] > 0.5 for figure in figures.values())
    # Weights, gradients, two moments and the average are five copies; the teacher is one more.
    assert abs(figures["memory"]["ratio"] - 1.2) < 0.002
    assert figures["memory"]["goal"] == "<= 1.21"
    assert code == (0 if all(figure["is_met"] for figure in figures.values()) else 1)
    assert "batches of 4" in capsys.readouterr().out


def test_mistakes_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "guided") == 2
    message = "no benchmark is called guided; there are guided_distillation, "
    assert message in capsys.readouterr().err
