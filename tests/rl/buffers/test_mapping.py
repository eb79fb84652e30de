"""Memory-mapped buffers: few files, reopened bit for bit after a real SIGKILL, clear errors."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genrl.registry import ConfigurationError
from genrl.rl.buffers import PrioritizedBuffer, ReplayBuffer
from genrl.rl.buffers.base import Buffer, buffers
from genrl.rl.transitions import Transitions, simple_transitions

# Name, steps before the checkpoint, steps until the process is killed. There are 10 spare steps for
# each environment.
CASES = {
    "young": ("replay", 8, 18),
    "old": ("replay", 97, 107),
    "late": ("replay", 97, 108),
    "prioritized": ("prioritized", 97, 107),
}
PLAYER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
from test_mapping import CASES, make, play
for case, (name, until, killed) in CASES.items():
    folder = Path({folder!r}) / case
    buffer = make(name, folder)
    play(buffer, 0, until)
    torch.save(buffer.state_dict(), folder.with_suffix(".pt"))
    play(buffer, until, killed)
os.kill(os.getpid(), signal.SIGKILL)
"""


def step(number: int) -> tuple[Transitions, torch.Tensor]:
    """Of two environments; the second is dead now and then."""
    obs = torch.tensor([[[1.0], [2.0]]]) * number
    reward = torch.full((1, 2), float(number)).sin()
    valid = torch.tensor([[True, number % 5 != 3]])
    terminated = torch.tensor([[number % 7 == 0, False]])
    return simple_transitions(obs, obs, obs + 1, reward=reward, terminated=terminated), valid


def play(buffer: Buffer, begin: int, end: int) -> list[torch.Tensor]:
    """Adds steps and draws a batch after each, as an off-policy algorithm does."""
    seen = []
    for number in range(begin, end):
        buffer.add(*step(number))
        generator = torch.Generator().manual_seed(number)
        sample = buffer.sample(16, 0.9, generator)
        buffer.update_priorities(sample.index, sample.steps.reward)
        seen.append(torch.stack([sample.steps.obs[:, 0], sample.discount, sample.weight]))
    return seen


def make(name: str, folder: Path | None) -> Buffer:
    place = None if folder is None else str(folder)
    return buffers.build({"name": name, "capacity": 40, "margin": 20, "folder": place})


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed process leaves: a folder and a checkpoint for every case."""
    folder = tmp_path_factory.mktemp("killed")
    code = PLAYER.format(tests=str(Path(__file__).parent), folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def resume(case: str, killed: Path, tmp_path: Path) -> Buffer:
    shutil.copytree(killed / case, tmp_path / case)
    buffer = make(CASES[case][0], tmp_path / case)
    buffer.load_state_dict(torch.load(killed / f"{case}.pt", weights_only=True))
    return buffer


@pytest.mark.parametrize("case", ["young", "old", "prioritized"])
def test_a_killed_process_goes_on_bit_for_bit(case: str, killed: Path, tmp_path: Path) -> None:
    name, until, _ = CASES[case]
    resumed = resume(case, killed, tmp_path)
    # Uniform draws are the same from memory; a tree's order is that of the rows, spare ones too.
    reference = make(name, None if name == "replay" else tmp_path / "reference")
    play(reference, 0, until)
    for a, b in zip(play(resumed, until, 200), play(reference, until, 200), strict=True):
        assert torch.equal(a, b)


def test_too_many_steps_after_the_checkpoint_are_told(killed: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"11 steps .* more than the 10 spare ones"):
        resume("late", killed, tmp_path)


def test_resumed_twice_from_one_checkpoint(killed: Path, tmp_path: Path) -> None:
    play(resume("old", killed, tmp_path / "a"), 97, 100)
    resumed = make("replay", tmp_path / "a" / "old")
    resumed.load_state_dict(torch.load(killed / "old.pt", weights_only=True))
    play(resumed, 97, 100)
    again = make("replay", tmp_path / "a" / "old")
    again.load_state_dict(resumed.state_dict())
    reference = make("replay", None)
    play(reference, 0, 100)
    assert torch.equal(play(again, 100, 101)[0], play(reference, 100, 101)[0])


def test_few_files_and_a_small_checkpoint(tmp_path: Path) -> None:
    buffer = ReplayBuffer(capacity=100_000, folder=str(tmp_path / "deep" / "replay"))
    assert not tmp_path.joinpath("deep").exists()  # nothing before the first step
    buffer.add(*step(0))
    files = sorted(path.name for path in (tmp_path / "deep" / "replay").iterdir())
    assert files == [
        "action.bin", "layout.json", "next_obs.bin", "obs.bin", "reward.bin", "start.bin",
        "terminated.bin", "truncated.bin", "written.bin",
    ]  # fmt: skip
    torch.save(buffer.state_dict(), tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size < 5_000


def test_priorities_of_spare_steps_are_zero(tmp_path: Path) -> None:
    buffer = PrioritizedBuffer(capacity=40, folder=str(tmp_path), margin=20)
    for number in range(77):
        buffer.add(*step(number))
        assert int((buffer.tree.values > 0).sum()) == len(buffer)
    rows = buffer.tree.values.nonzero()[:, 0]
    number, env = buffer.ring.locate(rows)
    assert (number >= torch.from_numpy(buffer.ring.written - 20)[env]).all()
    old = buffer.sample(16, 0.9, torch.Generator().manual_seed(0)).index
    for number_ in range(77, 100):
        buffer.add(*step(number_))
    buffer.update_priorities(old, torch.ones(16))
    assert int((buffer.tree.values > 0).sum()) == len(buffer)


def test_files_of_another_run_are_not_overwritten(tmp_path: Path) -> None:
    make("replay", tmp_path).add(*step(0))
    with pytest.raises(ConfigurationError, match="already"):
        make("replay", tmp_path).add(*step(0))
    empty = make("replay", None).state_dict()
    resumed = make("replay", tmp_path)  # killed before its first checkpoint held a step
    resumed.load_state_dict(empty)
    resumed.add(*step(3))
    assert len(resumed) == 1


def test_wrong_files_are_told(tmp_path: Path, played: Callable[..., Any]) -> None:
    buffer = make("replay", tmp_path / "a")
    play(buffer, 0, 30)
    state = buffer.state_dict()
    with pytest.raises(ConfigurationError, match="files are gone"):
        make("replay", tmp_path / "b").load_state_dict(state)
    with pytest.raises(ConfigurationError, match=r"buffer\.folder"):
        make("replay", None).load_state_dict(state)
    memory = make("replay", None)
    play(memory, 0, 3)
    with pytest.raises(ConfigurationError, match="must be null"):
        make("replay", tmp_path / "a").load_state_dict(memory.state_dict())
    other = make("replay", tmp_path / "c")
    play(other, 5, 35)
    with pytest.raises(ConfigurationError, match="newest steps differ"):
        make("replay", tmp_path / "c").load_state_dict(state)
    third = make("replay", tmp_path / "d")
    played(2).add(third, 30)
    with pytest.raises(ConfigurationError, match="other fields"):
        make("replay", tmp_path / "d").load_state_dict(state)
    split = ReplayBuffer(capacity=50, margin=10, folder=str(tmp_path / "a"))
    with pytest.raises(ConfigurationError, match=r"20 of 30 rows .* from 25 of 30"):
        split.load_state_dict(state)
    os.truncate(tmp_path / "a" / "obs.bin", 100)
    with pytest.raises(ConfigurationError, match=r"obs\.bin is damaged"):
        make("replay", tmp_path / "a").load_state_dict(state)


def test_a_full_disk_is_told_before_the_run(small_disk: Path) -> None:
    buffer = ReplayBuffer(capacity=100_000, folder=str(small_disk / "replay"))
    with pytest.raises(ConfigurationError, match=os.strerror(errno.ENOSPC)):
        buffer.add(*step(0))
