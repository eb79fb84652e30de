"""One command for all benchmarks: what it lists, what it runs, how it ends."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "tools" / "bench"
SUITE = '''"""Counts to a number."""
import sys
from figures import Figure, main, turns


def count(to: int) -> float:
    return sum(range(to)) and 1.0


def counting(rounds: int) -> Figure:
    ours, peer = turns(lambda: count({ours}), lambda: count({peer}), rounds)
    note = f"{{rounds}} rounds"
    return Figure("counting", "counts/s", ours, peer, ours / peer, ">= {goal}", note)


BENCHMARKS = {{"counting": counting}}

if __name__ == "__main__":
    main(__doc__, BENCHMARKS)
'''
NOT_HERE = '"""Needs what nobody has."""\nimport sys\n\nBENCHMARKS = {}\nsys.exit(2)\n'
BROKEN = '"""Falls over."""\nBENCHMARKS = {}\nraise SystemError("no")\n'


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder of benchmarks: the entry point, one suite that is quick and one that is not."""
    folder = tmp_path / "bench"
    folder.mkdir()
    for part in ("__main__.py", "figures.py"):
        shutil.copy(BENCH / part, folder / part)
    (folder / "fast.py").write_text(SUITE.format(ours=10, peer=100_000, goal=2))
    (folder / "slow.py").write_text(SUITE.format(ours=100_000, peer=10, goal=2))
    (folder / "not_here.py").write_text(NOT_HERE)
    (folder / "study.py").write_text('"""Takes hours."""\n')
    return folder


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_goals_decide_the_end(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    good = run(bench, "fast.counting", "--rounds", "3", "--json", str(out))
    assert good.returncode == 0, good.stderr
    (figure,) = json.loads(out.read_text())["fast"]
    assert figure["ratio"] == figure["ours"] / figure["peer"] > 100
    assert (figure["goal"], figure["note"], figure["is_met"]) == (">= 2", "3 rounds", True)
    both = run(bench, "--json", str(out))
    assert both.returncode == 1
    assert "MISSED" in both.stdout
    assert list(json.loads(out.read_text())) == ["fast", "slow"]


def test_what_cannot_run_here_is_passed_over_unless_it_is_named(bench: Path) -> None:
    (bench / "slow.py").unlink()
    assert run(bench, "--rounds", "1").returncode == 0
    assert run(bench, "not_here").returncode == 2
    (bench / "broken.py").write_text(BROKEN)
    assert run(bench, "--rounds", "1").returncode == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "no benchmark is called nothing; there are fast, not_here, slow, study"),
        (["study"], "study is a study: python tools/bench/study.py --help"),
    ],
)
def test_mistakes_are_told(bench: Path, words: list[str], message: str) -> None:
    end = run(bench, *words)
    assert end.returncode == 2
    assert message in end.stderr


def test_it_lists_what_lies_there() -> None:
    end = run(BENCH, "--list")
    assert end.returncode == 0
    for path in BENCH.glob("*.py"):
        assert (path.stem in end.stdout) == (path.stem not in ("__main__", "figures", "finished"))
    assert "Reinforcement learning against stable-baselines3" in end.stdout
