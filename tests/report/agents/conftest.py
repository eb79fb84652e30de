"""Folders of agents' runs with plausible numbers and a real video."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from genrl.evaluation.video import Recording, write_video

MakeAgentRun = Callable[..., Path]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A square that moves over grey."""
    frames = np.full((20, 96, 96, 3), 90, dtype=np.uint8)
    for i, frame in enumerate(frames):
        frame[40:60, 4 * i : 4 * i + 16] = (230, 120, 40)
    path = tmp_path_factory.mktemp("video") / "final.mp4"
    write_video(path, Recording(frames, 10.0, 1.0, 20, 20))
    return path.read_bytes()


def evaluations(
    level: float, seed: int, *, steps: int, points: int, seconds: float
) -> list[dict[str, Any]]:
    """A curve that rises to a level, with noise between seeds and between episodes."""
    rng = np.random.default_rng(seed)
    level = level * float(rng.normal(1, 0.04))
    lines = []
    for k in range(points + 1):
        part = k / points
        mean = 20 + (level - 20) * (1 - np.exp(-5 * part)) * float(rng.normal(1, 0.05))
        lines.append(
            {
                "update": 50 * k,
                "env_steps": steps * k // points,
                "gradient_steps": 1000 * k,
                "seconds": round(seconds * part * float(rng.uniform(0.9, 1.1)), 3),
                "returns": [float(v) for v in rng.normal(mean, 0.04 * abs(mean) + 1, size=10)],
                "lengths": [int(v) for v in rng.integers(20, 1000, size=10)],
            }
        )
    return lines


def write_metrics(path: Path, seed: int, *, steps: int, has_reward: bool) -> None:
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        names = ["update", "stage", "loss", "entropy", "episode_return", "env_steps"]
        names += ["reward_correlation", "learned_reward", "control_return"] if has_reward else []
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for update in range(5, 501, 5):
            part = update / 500
            row: dict[str, Any] = {
                "update": update,
                "stage": "policy",
                "loss": np.exp(-3 * part) * rng.lognormal(0, 0.1),
                "entropy": 1.4 - part + rng.normal(0, 0.03),
                "episode_return": 900 * part + rng.normal(0, 30),
                "env_steps": int(steps * part),
            }
            if has_reward:
                row["reward_correlation"] = 0.8 * part + rng.normal(0, 0.05)
                row["learned_reward"] = -0.5 + part + rng.normal(0, 0.02)
                row["control_return"] = 500 * part
            writer.writerow(row)


@pytest.fixture
def make_agent_run(tmp_path: Path, video: bytes) -> MakeAgentRun:
    """Writes a finished run and returns its folder."""

    def make(
        algorithm: str = "sac",
        loss: str | None = None,
        seed: int = 1,
        *,
        env: str = "Hopper-v5",
        level: float = 1000.0,
        expert: float | None = None,
        steps: int = 100_000,
        points: int = 10,
        folder: str | None = None,
        is_finished: bool = True,
        **config: Any,
    ) -> Path:
        path = tmp_path / (folder or f"{env}_{loss}_{algorithm}_{seed}")
        path.mkdir()
        whole = {
            "task": "agent",
            "name": "imitate" if loss else algorithm,
            "seed": seed,
            "gamma": 0.99,
            "training": {"env_steps": steps, "log_every": 5},
            "env": {"name": "gymnasium", "id": env, "num_envs": 4},
            "algorithm": {"name": algorithm, "learning_rate": 3e-4},
            "imitation_loss": None if loss is None else {"name": loss},
            "demonstrations": {"name": "minari", "path": "demos/hopper"},
            "evaluation": {"name": "policy_evaluation", "episodes": 10},
            **config,
        }
        versions = {"genrl": "0.1.0", "torch": "2.15.0", "gymnasium": "1.4.0", "mujoco": "4.0.0"}
        lines = evaluations(level, seed, steps=steps, points=points, seconds=600.0)
        (path / "config.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        (path / "versions.yaml").write_text(yaml.safe_dump(versions, sort_keys=False))
        (path / "evaluations.jsonl").write_text("".join(json.dumps(li) + "\n" for li in lines))
        write_metrics(path / "metrics.csv", seed, steps=steps, has_reward=loss is not None)
        if not is_finished:
            return path
        summary = {
            "task": "agent",
            "env": env,
            "algorithm": algorithm,
            "imitation_loss": loss,
            "seed": seed,
            "env_steps": lines[-1]["env_steps"],
            "updates": lines[-1]["update"],
            "seconds": lines[-1]["seconds"],
            **({} if expert is None else {"expert_return": expert}),
        }
        (path / "summary.json").write_text(json.dumps(summary))
        folder_of_videos = path / "videos"
        folder_of_videos.mkdir()
        (folder_of_videos / "final.mp4").write_bytes(video)
        entry = {"file": "final.mp4", "return": 987.65, "length": 1000, "shown": 250}
        (folder_of_videos / "index.json").write_text(json.dumps([entry]))
        return path

    return make
