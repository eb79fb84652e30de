"""Several processes do what one does: the same losses, weights and samples, in one folder."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import run
from processes import KILLABLE, finished, genrl
from several_runs import same_rows

SMALL = [
    "+experiment=cfg_distill",
    "device=cpu",
    "network.channels=8",
    "network.head_channels=8",
    "network.num_blocks=1",
    "training.updates=5",
    "training.batch_size=16",
    "training.log_every=1",
    "distill.start=1",
    "distill.guided_updates=4",
    "distill.last_updates=4",
    "checkpoint.every=4",
    "feature=identity",
    "evaluation.num_samples=16",
    "evaluation.reference_steps=4",
    "evaluation.teacher_steps=[2]",
    "evaluation.guided_steps=[2]",
    "evaluation.w=[0,4]",
    "evaluation.every=3",
]
TWO = ["trainer=ddp", "trainer.devices=2"]
DIVIDED = ["trainer=fsdp", "trainer.devices=2"]
KILLER = "+callback@callbacks.killer=killer"


def same_numbers(one: Path, two: Path) -> None:
    """Every number of metrics.csv, every weight and average of every checkpoint."""
    assert same_rows(one, two) == 13
    names = sorted(path.name for path in (one / "checkpoints").glob("*.ckpt"))
    assert {"teacher.ckpt", "guided.ckpt", "1.ckpt", "last.ckpt"} <= set(names)
    for name in names:
        mine, other = (torch.load(p / "checkpoints" / name, weights_only=True) for p in (one, two))
        torch.testing.assert_close(other["state_dict"], mine["state_dict"], rtol=1e-5, atol=1e-5)
        averages = other.get("averages", {}), mine.get("averages", {})
        torch.testing.assert_close(*averages, rtol=1e-5, atol=1e-5)


def frechet_distances(path: Path) -> dict[tuple[str, int, float], float]:
    """Of every stage, number of steps and weight."""
    rows = json.loads((path / "summary.json").read_text())["stages"]
    return {(row["name"], row["num_steps"], row["w"]): row["frechet"] for row in rows}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    path = tmp_path_factory.mktemp("one") / "run"
    run("train", *SMALL, f"hydra.run.dir={path}")
    return path


@pytest.mark.parametrize("words", [TWO, pytest.param(DIVIDED, marks=pytest.mark.slow)], ids=str)
def test_two_processes_train_and_evaluate_as_one_does(
    one: Path, tmp_path: Path, words: list[str]
) -> None:
    two = tmp_path / "run"
    done = genrl("train", *SMALL, *words, f"hydra.run.dir={two}")
    assert "INFO" not in finished(done)  # of Lightning
    assert done.stdout.count("done: ") == 1
    same_numbers(one, two)
    files = [sorted(str(f.relative_to(p)) for f in p.rglob("*") if f.is_file()) for p in (one, two)]
    assert files[1] == files[0]
    mine, other = (frechet_distances(path) for path in (one, two))
    assert len(mine) > 6
    assert other == pytest.approx(mine, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("devices", [1, 2])
def test_a_killed_process_ends_the_run_and_resume_goes_on(
    one: Path, tmp_path: Path, rank: int, devices: int
) -> None:
    two = tmp_path / "run"
    words = [*SMALL, *TWO, KILLER, f"hydra.run.dir={two}"]
    died = genrl("train", *words, kill=f"6:update:SIGKILL:{rank}")
    ended = time.time()
    assert died.returncode != 0
    assert "go on with genrl resume" in died.stderr
    assert "Error executing job" not in died.stderr
    # The last thing that the killed process did was to append its row, or to read the other's.
    assert ended - (two / "metrics.csv").stat().st_mtime < 60
    finished(genrl("resume", str(two), f"trainer.devices={devices}"))
    same_numbers(one, two)


@pytest.mark.slow
def test_sigterm_to_one_process_ends_all_with_a_checkpoint(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "run"
    words = [*SMALL, *TWO, KILLER, f"hydra.run.dir={two}"]
    died = genrl("train", *words, kill="7:update:SIGTERM:1")
    assert died.returncode == 143, died.stderr
    assert "terminated after update 7" in died.stderr
    finished(genrl("resume", str(two)))
    same_numbers(one, two)


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in two processes that torchrun starts."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_torchrun_makes_one_folder(one: Path, tmp_path: Path) -> None:
    runs = tmp_path / "it's runs"
    words = [*SMALL, *TWO, f"hydra.run.dir='{runs}/${{now:%H-%M-%S-%f}}'".replace("it's", "it\\'s")]
    done = torchrun(str(KILLABLE), "train", *words)
    finished(done)
    (two,) = runs.iterdir()
    same_numbers(one, two)


@pytest.mark.slow
def test_torchrun_resumes(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "run"
    died = torchrun(str(KILLABLE), "train", *SMALL, *TWO, KILLER, f"hydra.run.dir={two}")
    finished(died)
    shutil.rmtree(two / "checkpoints")
    finished(torchrun(str(KILLABLE), "resume", str(two)))
    same_numbers(one, two)


@pytest.mark.slow
def test_srun_makes_one_folder(one: Path, tmp_path: Path) -> None:
    """SLURM itself is not here: two processes get the variables that srun gives."""
    words = [*SMALL, *TWO, f"hydra.run.dir={tmp_path}/runs/${{now:%H-%M-%S-%f}}"]
    given = {
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NAME": "test",
        "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "OMP_NUM_THREADS": "1",
    }
    tasks = [
        subprocess.Popen(
            [sys.executable, str(KILLABLE), "train", *words],
            env=os.environ | given | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    said = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    (two,) = (tmp_path / "runs").iterdir()
    same_numbers(one, two)


def test_resume_changes_devices_alone(capsys: pytest.CaptureFixture[str], one: Path) -> None:
    assert run("resume", str(one), "training.updates=7") == 2
    assert "trainer.devices" in capsys.readouterr().err
