"""What can happen to a run: it ends with one line that says what to do, and nothing is lost.

Kills are real signals to real processes, the read-only folder is a mounted file system. The full
disk, damaged checkpoints and demonstrations have tests of their own.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import run
from PIL import Image
from processes import KILLABLE, finished, genrl

SMALL = [
    "data=gaussian_mixture", "network=mlp_small", "training.batch_size=8", "training.log_every=1",
    "callback@evaluation=none", "+callback@callbacks.killer=killer", "device=cpu",
]  # fmt: skip
UPDATES = 12


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The student in the end."""
    content = torch.load(path / "checkpoints" / "teacher.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = content["state_dict"]
    return state


def assert_equal_runs(one: Path, other: Path) -> None:
    """Bit for bit, metrics too."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


def updates_done(path: Path) -> int:
    """Of the last checkpoint."""
    content = torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)
    return int(content["genrl"]["updates"])


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to which nothing happened."""
    path = tmp_path_factory.mktemp("runs") / "straight"
    finished(genrl("train", *SMALL, f"training.updates={UPDATES}", f"hydra.run.dir={path}"))
    return path


def test_sigterm_writes_a_checkpoint_and_exits_with_143(straight: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    words = [*SMALL, f"training.updates={UPDATES}", f"hydra.run.dir={path}"]
    ended = genrl("train", *words, kill="5:update:SIGTERM")
    assert ended.returncode == 143, ended.stderr
    assert f"go on with: genrl resume {path}" in ended.stderr
    assert "Traceback" not in ended.stderr
    # Python runs the handler of a signal a little later.
    assert updates_done(path) in (5, 6)
    for file in path.rglob("*"):  # the clock of the next machine may be behind
        os.utime(file, (time.time() + 1e6,) * 2)
    finished(genrl("resume", str(path)))
    assert_equal_runs(path, straight)


def test_a_second_process_is_refused_while_the_first_one_trains(tmp_path: Path) -> None:
    path = tmp_path / "run"
    words = [*SMALL, "training.updates=100000", "checkpoint.every=1000000"]
    command = [sys.executable, str(KILLABLE), "train", *words, f"hydra.run.dir={path}"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (path / "checkpoints" / "last.ckpt").exists():
            assert first.poll() is None
            time.sleep(0.1)
        second = genrl("resume", str(path))
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 2
    assert f"{path} is being trained by another process" in second.stderr
    assert second.stderr.count("\n") == 1
    # A killed process holds nothing.
    third = genrl("resume", str(path), kill="3:update")
    assert third.returncode == -signal.SIGKILL, third.stderr


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        words = [word for word in SMALL if "killer" not in word]
        assert run("train", *words, "training.updates=4", f"hydra.run.dir={disk}/run") == 0
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        capfd.readouterr()
        assert run("resume", str(disk / "run")) == 2
        said = capfd.readouterr().err
        assert "cannot be written (Read-only file system)" in said
        assert said.count("\n") == 1
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of twenty small images."""
    rng = random.Random(0)
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(20):
            image = Image.frombytes("L", (8, 8), rng.randbytes(64))
            image.save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_an_image_that_cannot_be_read_in_the_middle_of_an_epoch(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = photos / "dog" / "7.png"
    whole = broken.read_bytes()
    start = whole.index(b"IDAT") + 8
    broken.write_bytes(whole[:start] + bytes(16) + whole[start + 16 :])
    words = [
        "data=image_folder", f"data.root={photos}", "data.cache=false", "data.flip=false",
        "network=unet_digits", "network.channels=8", "network.head_channels=8",
        "training.batch_size=4", "training.updates=9", "training.log_every=1", "device=cpu",
        "checkpoint.every=1", "callback@evaluation=none", "callback@progress=none",
        "hydra.run.dir=run",
    ]  # fmt: skip
    assert run("train", *words) == 2
    said = capfd.readouterr().err
    assert "dog/7.png" in said
    assert said.count("\n") == 1
    done = updates_done(tmp_path / "run")
    assert 0 < done < 9
    broken.write_bytes(whole)
    assert run("resume", "run") == 0
    assert updates_done(tmp_path / "run") == 9


def test_data_that_changed_between_kill_and_resume(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "data=image_folder", f"data.root={photos}", "network=unet_digits", "network.channels=8",
        "network.head_channels=8", "training.batch_size=4", "training.updates=3", "device=cpu",
        "callback@evaluation=none", "callback@progress=none", "hydra.run.dir=run",
    ]  # fmt: skip
    assert run("train", *words) == 0
    (photos / "cat" / "3.png").unlink()
    capfd.readouterr()
    assert run("resume", "run") == 2
    said = capfd.readouterr().err
    assert "the data has changed since the checkpoint was written" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_twenty_kills_at_random_moments(straight: Path, tmp_path: Path) -> None:
    path, rng = tmp_path / "run", random.Random(0)
    words = [*SMALL, f"training.updates={UPDATES}", f"hydra.run.dir={path}", "checkpoint.every=1"]
    kills = 0
    while kills < 20:
        is_there = (path / "config.yaml").exists()
        command = ["resume", str(path)] if is_there else ["train", *words]
        process = subprocess.Popen(
            [sys.executable, str(KILLABLE), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = process.communicate(timeout=rng.uniform(0.5, 12.0))
            assert process.returncode == 0, said
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
    finished(genrl("resume", str(path)))
    assert_equal_runs(path, straight)
