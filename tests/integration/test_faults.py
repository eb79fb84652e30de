"""What can happen to a run: it ends with one line that says what to do, and nothing is lost.

Kills are real signals to real processes, the read-only folder and the full disk are mounted file
systems. ``pytest -m 'slow or not slow' tests/integration/test_faults.py`` ends with the table of
faults: how often each was tried and what was lost.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import run
from PIL import Image
from processes import KILLABLE, finished, genrl

from genrl import checkpoints
from genrl.callbacks import RunContext, StageCallback, callbacks
from genrl.run_folder import RunFolder

Survived = Callable[..., None]

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


def test_sigterm_writes_a_checkpoint_and_exits_with_143(
    straight: Path, tmp_path: Path, survived: Survived
) -> None:
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
    survived("SIGTERM, and the next machine's clock is 11 days behind", lost="nothing")


def test_sigterm_ends_an_evaluation(tmp_path: Path, survived: Survived) -> None:
    """It may take longer than a cluster waits; the resumed run makes it again."""
    path = tmp_path / "run"
    words = [word for word in SMALL if not word.startswith("callback@evaluation")]
    few = ["num_samples=64", "batch_size=16", "w=[0]", "reference_steps=8", "teacher_steps=[]"]
    words += [f"evaluation.{word}" for word in few] + ["distill=none", "feature=identity"]
    words += [f"training.updates={UPDATES}", "checkpoint.every=5", f"hydra.run.dir={path}"]
    ended = genrl("train", *words, kill=f"{UPDATES}:update:SIGTERM")
    assert ended.returncode == 143, ended.stderr
    assert f"terminated in the evaluation after update {UPDATES}; go on with" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not RunFolder(path).read_summary().get("stages")
    assert updates_done(path) == 10
    finished(genrl("resume", str(path)))
    assert updates_done(path) == UPDATES
    (row,) = RunFolder(path).read_summary()["stages"]
    assert row["num_steps"] == 8
    survived("SIGTERM in an evaluation", lost="updates since the last checkpoint")


def test_a_second_process_is_refused_while_the_first_one_trains(
    tmp_path: Path, survived: Survived
) -> None:
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
    survived("two processes resume one run", lost="nothing: the second is refused")


def test_a_folder_that_cannot_be_written(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    survived: Survived,
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
    survived("read-only run folder", lost="nothing: resume is refused")


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
    photos: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    survived: Survived,
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
    survived("unreadable image amid an epoch", lost="updates since the last checkpoint")


def test_data_that_changed_between_kill_and_resume(
    photos: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    survived: Survived,
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
    survived("data changed between kill and resume", lost="nothing: resume is refused")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after a few updates, with two checkpoints."""
    path = tmp_path_factory.mktemp("runs") / "half"
    words = [*SMALL, f"training.updates={UPDATES}", f"hydra.run.dir={path}", "checkpoint.every=2"]
    assert genrl("train", *words, kill="7:update").returncode == -signal.SIGKILL
    # What goes on in this process knows no killer.
    config = path / "config.yaml"
    config.write_text(
        config.read_text().replace("callbacks:\n  killer:\n    name: killer\n", "callbacks: {}\n")
    )
    return path


@pytest.mark.parametrize("tries", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", ["truncated", "bit-flipped"])
@pytest.mark.filterwarnings("ignore:.*going on from")
def test_a_damaged_checkpoint_is_passed_over(
    damage: str, tries: int, half: Path, straight: Path, tmp_path: Path, survived: Survived
) -> None:
    rng = random.Random(0)
    whole = (half / "checkpoints" / "last.ckpt").read_bytes()
    for number in range(tries):
        path = shutil.copytree(half, tmp_path / str(number))
        data = bytearray(whole)
        if damage == "truncated":
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (path / "checkpoints" / "last.ckpt").write_bytes(data)
        assert run("resume", str(path)) == 0
        assert_equal_runs(path, straight)
    for name in ("last", "previous"):
        (half / "checkpoints" / f"{name}.ckpt").rename(tmp_path / f"{name}.ckpt")
        (half / "checkpoints" / f"{name}.ckpt").write_bytes(whole[: len(whole) // 2])
    assert run("resume", str(half)) == 2
    for name in ("last", "previous"):
        (tmp_path / f"{name}.ckpt").rename(half / "checkpoints" / f"{name}.ckpt")
    survived(f"{damage} checkpoint", lost="updates since the one before", tried=tries)


@pytest.fixture
def poison() -> Iterator[list[int]]:
    """A callback that spoils the gradients of the updates whose numbers are put here."""
    spoilt: list[int] = []

    @callbacks.register("poison")
    class PoisonCallback(StageCallback[Any]):
        """NaN in the first gradient of the network."""

        def __init__(self, context: RunContext) -> None:
            self.hook: Any = None

        def on_update_end(self, trainer: Any, module: Any, stage: Any) -> None:
            if self.hook is not None:
                self.hook.remove()
                self.hook = None
            if module.updates + 1 in spoilt:
                parameter = next(module.denoiser.parameters())
                self.hook = parameter.register_hook(lambda gradient: gradient * float("nan"))

    yield spoilt
    del callbacks._components["poison"]


def test_a_gradient_of_nan_is_left_out_and_many_end_the_run(
    poison: list[int],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    survived: Survived,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for word in SMALL if "killer" not in word]
    words += [
        "+callback@callbacks.poison=poison",
        "callback@progress=none",
        "training.max_skipped=2",
    ]
    poison += [5]
    assert run("train", *words, "training.updates=9", "hydra.run.dir=one") == 0
    content = torch.load(tmp_path / "one" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["genrl"]["skipped"] == 1
    assert all(bool(value.isfinite().all()) for value in weights(tmp_path / "one").values())
    poison += [3, 7, 8]
    capfd.readouterr()
    assert run("train", *words, "training.updates=9", "hydra.run.dir=many") == 1
    said = capfd.readouterr().err
    assert "NaN" in said
    assert said.count("\n") == 1
    survived("NaN gradients in one update", lost="that update")


def test_a_clock_that_goes_backwards(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: Survived
) -> None:
    """Wall-clock time runs a thousand times as fast, and the wrong way."""
    start, words = time.time(), [word for word in SMALL if "killer" not in word]
    monkeypatch.setattr(time, "time", lambda: start - 1000 * (time.monotonic() % 10_000))
    words += [f"training.updates={UPDATES}", "callback@progress=progress"]
    assert run("train", *words, f"hydra.run.dir={tmp_path}/run") == 0
    assert_equal_runs(tmp_path / "run", straight)
    survived("clock that goes backwards", lost="nothing")


def test_a_disk_that_runs_full(
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    survived: Survived,
) -> None:
    """The optimizer's state makes the second checkpoint larger than the disk."""
    monkeypatch.chdir(small_disk)
    words = [
        "data=gaussian_mixture", "network=mlp", "network.features=16", "network.num_layers=1",
        "callback@evaluation=none", "callback@progress=none", "device=cpu", "training.updates=40",
        "training.batch_size=8", "checkpoint.every=2", "hydra.run.dir=run",
    ]  # fmt: skip
    assert run("train", *words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "could not be written (No space left on device" in lines[0]
    assert "go on with: genrl resume" in lines[0]
    folder = RunFolder.open(Path("run"))
    assert checkpoints.load(folder.last)["genrl"]["stage"] == "teacher"
    assert not list(folder.checkpoints.glob(".*"))
    assert "next.ckpt" not in [path.name for path in folder.checkpoints.iterdir()]
    survived("full disk", lost="updates since the last checkpoint")


def written(path: Path) -> int:
    """When a file was written last; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
def test_twenty_kills_at_random_moments(straight: Path, tmp_path: Path, survived: Survived) -> None:
    path, rng = tmp_path / "run", random.Random(0)
    words = [*SMALL, f"training.updates={UPDATES}", f"hydra.run.dir={path}", "checkpoint.every=1"]
    last, kills, is_over = path / "checkpoints" / "last.ckpt", 0, False
    while kills < 20:
        is_there, before = (path / "config.yaml").exists(), written(last)
        command = ["resume", str(path)] if is_there else ["train", *words]
        process = subprocess.Popen(
            [sys.executable, str(KILLABLE), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Every other one while it trains, however long it takes to begin: right after a checkpoint,
        # or amid the next. The others at any moment, the start of the process among them.
        if kills % 2 == 0 and not is_over:
            while written(last) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.2))
        else:
            time.sleep(rng.uniform(0.5, 12.0))
        process.kill()
        if process.wait() == 0:
            is_over = True
        else:
            assert process.returncode == -signal.SIGKILL
            kills += 1
    finished(genrl("resume", str(path)))
    assert_equal_runs(path, straight)
    survived("SIGKILL at a random moment", lost="updates since the last checkpoint", tried=kills)
