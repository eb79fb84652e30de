"""Real rendering, decoded again; files that are small, whole, and the same for the same episode."""

import ctypes.util
import gc
import os
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from genrl.evaluation import video
from genrl.evaluation.video import Recording, prepare_rendering, record_episode, write_video
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

needs_egl = pytest.mark.skipif(
    ctypes.util.find_library("EGL") is None and "MUJOCO_GL" not in os.environ,
    reason="no EGL on this machine",
)


class Uniform:
    """Uniformly random actions."""

    def __init__(self, spec: EnvSpec) -> None:
        self.spec = spec

    def act(
        self,
        obs: Tensor,
        start: Tensor,
        memory: Tensor,
        *,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        shape = (len(obs), self.spec.action_size)
        return 2 * torch.rand(shape, generator=generator) - 1, memory


class Painted(gymnasium.Env[Any, Any]):
    """A frame of the step's grey level, for 90 steps."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, rate: int = 30, size: tuple[int, int] = (64, 64)) -> None:
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": rate}
        self.size, self.count = size, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        self.count += 1
        return np.zeros(1, np.float32), 0.5, False, self.count == 90, {}

    def render(self) -> Any:
        return np.full((*self.size, 3), self.count, dtype=np.uint8)


SPEC = EnvSpec("Painted", 1, 1, low=(-1.0,), high=(1.0,), max_episode_steps=90)


def decoded(path: Path) -> tuple[Any, list[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # imageio leaves its reader's pipes open
        with imageio.get_reader(path, format="FFMPEG") as reader:
            about, frames = reader.get_meta_data(), [frame for frame in reader]  # noqa: C416
        del reader
        gc.collect()
    return about, frames


@needs_egl
@pytest.mark.parametrize("env_id", ["Hopper-v5", "InvertedPendulum-v5"])
def test_mujoco(env_id: str, tmp_path: Path) -> None:
    env = gymnasium.make(env_id, render_mode="rgb_array")
    spec = EnvSpec.of(env_id, env.observation_space, env.action_space, 1000)
    recording = record_episode(Uniform(spec), env, spec, seed=0, max_frames=4)
    env.close()
    assert recording.frames.shape == (len(recording.frames), 480, 480, 3)
    path = tmp_path / "videos" / "final.mp4"
    write_video(path, recording)
    about, frames = decoded(path)
    assert len(frames) == len(recording.frames) > 2
    assert about["codec"] == "h264"
    assert about["pix_fmt"].startswith("yuv420p")
    assert path.read_bytes()[4:8] == b"ftyp"
    assert path.stat().st_size < 200_000
    for frame, drawn in zip(frames, recording.frames, strict=True):
        assert frame.shape == (480, 480, 3)
        assert frame.max() > 80  # not black: InvertedPendulum-v5 has a black sky
        assert np.abs(frame.astype(float) - drawn).mean() < 6
    assert (recording.frames[0] != recording.frames[-1]).any()
    assert list(path.parent.iterdir()) == [path]


def test_classic_control(tmp_path: Path) -> None:
    env = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    spec = EnvSpec.of("Pendulum-v1", env.observation_space, env.action_space, 200)
    recording = record_episode(Uniform(spec), env, spec, seed=0, max_frames=5)
    env.close()
    assert recording.frames.shape == (5, 500, 500, 3)
    assert recording.frames.std() > 5
    assert (recording.length, recording.shown) == (200, 4)


def test_an_episode_is_counted_to_its_end() -> None:
    recording = record_episode(Uniform(SPEC), Painted(), SPEC, seed=0, max_frames=10)
    assert [frame[0, 0, 0] for frame in recording.frames] == list(range(10))
    assert (recording.total, recording.length, recording.shown) == (45.0, 90, 9)
    whole = record_episode(Uniform(SPEC), Painted(), SPEC, seed=0)
    assert (len(whole.frames), whole.shown, whole.frames_per_second) == (91, 90, 30.0)


def test_fast_environments_skip_frames() -> None:
    recording = record_episode(Uniform(SPEC), Painted(rate=125), SPEC, seed=0)
    assert [frame[0, 0, 0] for frame in recording.frames] == list(range(0, 90, 4))
    assert recording.frames_per_second == 125 / 4


def test_odd_sizes_can_be_encoded(tmp_path: Path) -> None:
    recording = record_episode(Uniform(SPEC), Painted(size=(51, 65)), SPEC, seed=0, max_frames=3)
    write_video(tmp_path / "odd.mp4", recording)
    about, frames = decoded(tmp_path / "odd.mp4")
    assert about["size"] == (64, 50)
    assert len(frames) == 3


def noise(count: int) -> Recording:
    frames = np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), dtype=np.uint8)
    return Recording(frames, 30.0, 0.0, count, count)


def test_large_videos_become_coarser(tmp_path: Path) -> None:
    sizes = []
    for most in (10**9, 60_000, 8_000):
        path = tmp_path / f"{most}.mp4"
        write_video(path, noise(16), max_bytes=most)
        sizes.append(path.stat().st_size)
        assert sizes[-1] <= most
    assert sizes[0] > sizes[1] > sizes[2]
    about, frames = decoded(tmp_path / "8000.mp4")
    assert (len(frames), about["fps"]) == (16, 30)


def test_same_episode_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.mp4" for i in range(2)]
    for path in paths:
        write_video(path, record_episode(Uniform(SPEC), Painted(), SPEC, seed=4))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "final.mp4"
    write_video(path, noise(2))
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("broken pipe")

    monkeypatch.setattr(video.imageio, "mimwrite", fail)
    with pytest.raises(ConfigurationError, match=r"broken pipe.*imageio\[ffmpeg\]"):
        write_video(path, noise(3))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_drawn_is_said() -> None:
    class Broken(Painted):
        def render(self) -> Any:
            raise AttributeError("no display\nat all")

    with pytest.raises(ConfigurationError, match=r"Painted.*no display at all.*libegl1"):
        record_episode(Uniform(SPEC), Broken(), SPEC, seed=0)

    class Blind(Painted):
        def render(self) -> Any:
            return None

    with pytest.raises(ConfigurationError, match="has no pictures"):
        record_episode(Uniform(SPEC), Blind(), SPEC, seed=0)


@pytest.mark.parametrize(("given", "kept"), [(None, "egl"), ("osmesa", "osmesa")])
def test_mujoco_draws_off_screen_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv("MUJOCO_GL", given)
    prepare_rendering()
    assert os.environ["MUJOCO_GL"] == kept


def test_a_screen_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    prepare_rendering()
    assert "MUJOCO_GL" not in os.environ
