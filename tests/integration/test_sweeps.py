"""A sweep: what fails stops nothing else, what was interrupted goes on, one page compares it."""

import csv
from pathlib import Path

import pytest
import yaml
from command_line import run
from processes import genrl, killed

SMALL = [
    "data=gaussian_mixture", "network=mlp_small", "training.batch_size=8", "training.updates=4",
    "training.log_every=1", "callback@evaluation=none", "callback@progress=none", "device=cpu",
    "+callback@callbacks.killer=killer", "hydra.sweep.dir=sweep",
]  # fmt: skip
QUIET = [word for word in SMALL if "killer" not in word]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seeds(sweep: Path) -> dict[str, int]:
    """Folder -> seed of its run."""
    files = sorted(sweep.glob("*/config.yaml"))
    return {file.parent.name: yaml.safe_load(file.read_text())["seed"] for file in files}


def test_a_job_that_fails_stops_no_other_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "-m", *QUIET, "seed=3,4", "sampler.steps=0,2") == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == ["genrl: sampler 'ddim': steps must be at least 1, not 0"] * 2
    assert seeds(Path("sweep")) == {"1": 3, "3": 4}

    assert run("resume", "sweep") == 2
    said = capsys.readouterr()
    assert sorted(said.err.splitlines()) == [
        f"genrl: sweep/{job}: sampler 'ddim': steps must be at least 1, not 0" for job in (0, 2)
    ]
    assert said.out.splitlines() == [
        "done: sweep/1",
        "done: sweep/3",
        "compare them: genrl report sweep",
    ]

    assert run("report", "sweep") == 0
    assert capsys.readouterr().out == "sweep/report.html\n"
    assert "2 runs compared" in Path("sweep/report.html").read_text()


def test_what_a_kill_interrupted_goes_on_and_what_it_came_before_begins() -> None:
    killed(genrl("train", "-m", *SMALL, "seed=5,6,7", kill="3:update"))
    assert seeds(Path("sweep")) == {"0": 5}
    # The two jobs that are left in this process have no killer registered: none in their overrides.
    for file in ("sweep/multirun.yaml", "sweep/0/config.yaml"):
        text = Path(file).read_text()
        Path(file).write_text(
            text.replace("    - +callback@callbacks.killer=killer\n", "").replace(
                "callbacks:\n  killer:\n    name: killer\n", "callbacks: {}\n"
            )
        )
    assert run("resume", "sweep") == 0
    assert seeds(Path("sweep")) == {"0": 5, "1": 6, "2": 7}
    for seed, job in ((5, 0), (7, 2)):
        assert run("train", *QUIET, f"seed={seed}", f"hydra.run.dir=straight{job}") == 0
        rows = [
            list(csv.DictReader((Path(folder) / "metrics.csv").read_text().splitlines()))
            for folder in (f"straight{job}", f"sweep/{job}")
        ]
        assert len(rows[0]) == 4
        assert rows[0] == rows[1]


def test_a_folder_that_is_no_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep").mkdir()
    Path("sweep/multirun.yaml").write_text("hydra: {}\n")
    for command in ("resume", "report"):
        assert run(command, "sweep") == 2
        assert "is no sweep of Hydra's" in capsys.readouterr().err
