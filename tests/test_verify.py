"""``genrl verify``: its table, its verdicts, its mistakes, and a plugin that is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import mistake, run

from genrl.testing.verification import Row, as_json, as_text, rows_of_matrix

WRONG = '''
"""Somebody else's sampler, of first order, which is called second."""

from genrl.diffusion.samplers import Sampler, samplers
from genrl.diffusion.transitions import ddim_step


@samplers.register("hasty")
class HastySampler(Sampler):
    """A first-order step."""

    order = 2

    def __init__(self, schedule, time_grid, *, steps: int = 3) -> None:
        super().__init__(schedule, time_grid, steps=steps)

    def step(self, z, prediction, state):
        return ddim_step(z, prediction.x, self.schedule, state.time, state.next_time)
'''


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_computes_in_one_thread() -> None:
    torch.set_num_threads(2)
    try:
        assert run("verify") == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_the_default_stack_is_green(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("verify", "--out", "table.json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "8 rows: 8 green" in out
    rows = json.loads(Path("table.json").read_text())
    by_kind = {row["kind"]: row for row in rows}
    assert list(by_kind) == [
        "schedule",
        "parameterization",
        "weighting",
        "time_sampler",
        "guidance",
        "thresholding",
        "sampler",
        "student_sampler",
    ]
    figures = by_kind["sampler"]["figures"]
    errors = [figures[f"error@{n}"] for n in (5, 10, 20, 40, 80, 160)]
    # The published errors of test_convergence, which stop at 256, lie on the same line.
    assert errors[-1] == pytest.approx(9.6e-3, rel=0.01)
    assert errors == sorted(errors, reverse=True)
    assert figures["order"] == pytest.approx(1, abs=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_overrides_and_experiments_are_composed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["+experiment=cfg_distill", "schedule=flow", "parameterization=flow_velocity"]
    assert run("verify", *words, "sampler=heun", "--out=table.txt") == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("  flow")] == [
        "green"
    ] * 2
    row = next(line for line in out.splitlines() if line.startswith("  heun on log_snr"))
    assert row.split()[3] == "green"
    assert float(row.split()[-2]) == pytest.approx(2, abs=0.2)
    assert Path("table.txt").read_text().strip() == out.strip()


def test_what_a_component_objects_to_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "sampler=heun", "time_grid=uniform", "parameterization=eps") == 0
    out = capsys.readouterr().out
    assert "order 2 needs steps in log-SNR that shrink" in out
    assert "take time_grid=log_snr" in out
    assert "has nothing to divide at log-SNR -20" in out
    assert "2 impossible" in out


def test_an_agents_diffusion_parts_are_proved(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "+experiment=ppo", "schedule=linear", "parameterization=v") == 0
    assert "2 rows: 2 green" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sampler=hun"], "no sampler is called 'hun'. Did you mean 'heun'?"),
        (["sampler.stepz=3"], "sampler 'ddim' has no parameter 'stepz'. Did you mean 'steps'?"),
        (["--al"], "genrl verify knows no option '--al'. Options: --all, --out FILE"),
        (["--out"], "--out needs the name of a file"),
        (["--all", "sampler=ddim"], "--all proves everything that is registered"),
        (["sampler.steps=0"], "sampler 'ddim': steps must be at least 1, not 0"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert mistake(capsys, "verify", *words).startswith(said)


def test_the_matrix_of_a_few() -> None:
    rows = list(
        rows_of_matrix(
            {
                "schedule": ["cosine", "edm"],
                "sampler": ["ddim", "dpm_solver_pp_2m", "ancestral"],
                "time_grid": ["uniform", "karras"],
                "guidance": ["cfg"],
                "weighting": ["vlb"],
                "time_sampler": ["uniform"],
                "thresholding": ["dynamic"],
                "parameterization": ["v", "eps", "both"],
            }
        )
    )
    verdicts = {f"{row.kind} {row.subject}": row.verdict for row in rows}
    assert "red" not in verdicts.values(), as_text(rows)
    assert verdicts["parameterization eps, cosine"] == "impossible"
    assert verdicts["parameterization eps, edm"] == "green"
    assert verdicts["sampler dpm_solver_pp_2m on uniform, cosine"] == "impossible"
    assert verdicts["sampler dpm_solver_pp_2m on uniform, edm"] == "green"
    assert verdicts["sampler dpm_solver_pp_2m on its own grid, cosine"] == "green"
    assert verdicts["sampler ancestral on karras, edm"] == "green"
    assert len(rows) == len(verdicts)


def test_red_rows_and_figures_that_are_no_numbers() -> None:
    rows = [
        Row("sampler", "mine", "red", {"error@5": float("nan"), "order": float("inf")}, "wrong"),
        Row("sampler", "other", "green", {"error@5": 0.25}),
    ]
    text = as_text(rows)
    assert "mine" in text
    assert "wrong" in text
    assert text.endswith("2 rows: 1 green, 1 red")
    assert [row["figures"] for row in json.loads(as_json(rows))] == [
        {"error@5": None, "order": None},
        {"error@5": 0.25},
    ]


def test_a_plugins_wrong_sampler_is_red(tmp_path: Path) -> None:
    """In a process of its own, where nothing was imported before."""
    package = tmp_path / "genrl_hasty"
    package.mkdir()
    (package / "__init__.py").write_text(WRONG)
    metadata = tmp_path / "genrl_hasty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: genrl_hasty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[genrl.plugins]\nhasty = genrl_hasty\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from genrl.cli import main\n"
        "main(['verify', 'sampler=hasty'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "7 green, 1 red" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("genrl: red: sampler hasty on log_snr: measured order 1.0")


@pytest.mark.slow
def test_everything_is_green() -> None:
    rows = list(rows_of_matrix())
    red = [row for row in rows if row.verdict == "red"]
    assert not red, as_text(red)
    assert all(row.reason for row in rows if row.verdict == "impossible")
    assert sum(row.verdict == "green" for row in rows) > 0.7 * len(rows) > 150
