"""An episode as MP4: H.264 in yuv420p, which every browser plays, small enough to lie in a page."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import imageio.v2 as imageio
import numpy as np
import torch
from numpy.typing import NDArray

from genrl.evaluation.policies import Behaviour
from genrl.files import write_bytes
from genrl.registry import ConfigurationError
from genrl.rl.spec import EnvSpec

Frames = NDArray[np.uint8]

_MOST_BYTES = 1_000_000
_FRAMES_PER_SECOND = 30.0
_QUALITIES = (23, 28, 33, 38, 43)  # x264's constant rate factor; a higher one makes smaller files


@dataclass(frozen=True)
class Recording:
    """An episode that was watched.

    Args:
        frames: (time, height, width, 3); the first ones where the episode is longer.
        frames_per_second: in the environment's own time.
        total: return of the whole episode.
        length: steps of the whole episode.
        shown: steps that the frames cover.
    """

    frames: Frames
    frames_per_second: float
    total: float
    length: int
    shown: int


@torch.no_grad()
def record_episode(
    actor: Behaviour,
    env: gymnasium.Env[Any, Any],
    spec: EnvSpec,
    *,
    seed: int,
    memory_size: int = 0,
    deterministic: bool = True,
    max_frames: int = 250,
) -> Recording:
    """Watch one episode.

    Frames are skipped where the environment makes more than 30 in a second.

    Args:
        actor: the policy.
        env: made with ``render_mode="rgb_array"``.
        spec: of it.
        seed: of the environment and of the policy's random numbers.
        memory_size: of the policy.
        deterministic: whether the policy takes its mode.
        max_frames: after so many the episode goes on unseen.

    Raises:
        ConfigurationError: if it cannot be rendered here; it says what to install.
    """
    rate = float(env.metadata.get("render_fps") or _FRAMES_PER_SECOND)
    skip = max(1, round(rate / _FRAMES_PER_SECOND))
    generator = torch.Generator().manual_seed(seed)
    obs, _ = env.reset(seed=seed)
    frames, shown, total, length = [_rendered(env, spec)], 0, 0.0, 0
    start, memory, is_over = torch.ones(1, dtype=torch.bool), torch.zeros(1, memory_size), False
    while not is_over:
        seen = torch.from_numpy(np.array(obs, dtype=np.float32))[None]
        action, memory = actor.act(
            seen, start, memory, generator=generator, deterministic=deterministic
        )
        obs, reward, terminated, truncated, _ = env.step(spec.executable(action)[0])
        total, length, start = total + float(reward), length + 1, torch.zeros_like(start)
        is_over = terminated or truncated or length >= 100_000
        if length % skip == 0 and len(frames) < max_frames:
            frames.append(_rendered(env, spec))
            shown = length
    if len(frames) < max_frames:
        shown = length
    return Recording(np.stack(frames), rate / skip, total, length, shown)


def write_video(path: Path, recording: Recording, *, max_bytes: int = _MOST_BYTES) -> None:
    """Write an MP4 file, whole or not at all; coarser where it would be too large.

    Args:
        path: of the file.
        recording: of an episode.
        max_bytes: size that is aimed at, down to a quality at which shapes can still be seen.

    Raises:
        ConfigurationError: if it cannot be encoded or written.
    """
    content = b""
    for quality in _QUALITIES:
        content = _encoded(recording.frames, recording.frames_per_second, quality)
        if len(content) <= max_bytes:
            break
    write_bytes(path, content)


def prepare_rendering() -> None:
    """Let MuJoCo and pygame draw off screen where there is none; what the user has set stays."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not has_screen:
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def _rendered(env: gymnasium.Env[Any, Any], spec: EnvSpec) -> Frames:
    prepare_rendering()
    try:
        frame: Any = env.render()
    except Exception as error:  # drivers and their bindings raise a dozen types
        raise ConfigurationError(
            f"{spec.env_id} cannot be rendered here ({type(error).__name__}: {_line(error)}). "
            "MuJoCo needs EGL (apt install libegl1 libgl1-mesa-dri) or OSMesa (MUJOCO_GL=osmesa)"
        ) from error
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        raise ConfigurationError(f"{spec.env_id} has no pictures: its render_mode is no rgb_array")
    # Colour has half the resolution in yuv420p: odd sizes cannot be encoded.
    height, width = (size - size % 2 for size in frame.shape[:2])
    return np.array(frame[:height, :width], dtype=np.uint8)


def _encoded(frames: Frames, rate: float, quality: int) -> bytes:
    """The bytes of an MP4 file; the same for the same frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        try:
            imageio.mimwrite(
                path,
                list(frames),
                format="FFMPEG",
                fps=rate,
                codec="libx264",
                pixelformat="yuv420p",
                quality=None,
                macro_block_size=2,
                ffmpeg_log_level="error",
                output_params=[
                    *("-crf", str(quality), "-preset", "medium", "-threads", "1"),
                    *("-fflags", "+bitexact", "-movflags", "+faststart"),
                ],
            )
        except (OSError, RuntimeError) as error:
            raise ConfigurationError(
                f"the video could not be encoded ({_line(error)}): pip install 'imageio[ffmpeg]'"
            ) from error
        return path.read_bytes()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
