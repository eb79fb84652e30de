"""The benchmark times three kinds of update of a composed experiment and judges their ratios."""

import dataclasses
import json
import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "bench_ladder.py"
KINDS = ["denoising", "guided_distillation", "progressive_distillation"]
SMALL = ["network.channels=8", "network.head_channels=8"]


def test_it_measures_what_users_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rounds", "2", "--warmup", "1", "--batch-size", "4", "--json", *SMALL]
    monkeypatch.setattr(sys, "argv", [str(TOOL), *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name="__main__")
    result = json.loads(capsys.readouterr().out)
    assert result["overrides"] == ["+experiment=cfg_distill", *SMALL]
    assert list(result["milliseconds"]) == list(result["ratios"]) == KINDS
    assert result["ratios"]["denoising"] == 1.0
    assert all(value > 0 for value in result["milliseconds"].values())
    assert (result["batch_size"], result["num_rounds"]) == (4, 2)
    assert result["peak_memory_mib"] > 1
    assert end.value.code == (0 if max(result["ratios"].values()) <= 1.84 else 1)


@pytest.mark.parametrize(("ratio", "verdict"), [(1.84, "within"), (1.85, "ABOVE")])
def test_the_limit(ratio: float, verdict: str) -> None:
    names = runpy.run_path(str(TOOL))
    ratios = dict.fromkeys(KINDS, ratio)
    result = names["Result"]([], dict.fromkeys(KINDS, 1.0), ratios, 4, 1000, 1, 1, "cpu", 1.0)
    assert result.is_within_limit == (verdict == "within")
    assert verdict in result.table()
    assert dataclasses.asdict(result)["ratios"] == ratios
