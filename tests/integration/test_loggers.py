"""Loggers of the real packages follow real runs: numbers, pictures, videos; none can stop one."""

import csv
import json
from pathlib import Path

import pytest
from processes import finished, genrl
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

MIXTURE = (
    "data=gaussian_mixture", "network=mlp_small", "training.updates=4", "training.batch_size=8",
    "training.log_every=2", "feature=identity", "evaluation.num_samples=20", "evaluation.w=[0]",
    "evaluation.reference_steps=2", "evaluation.teacher_steps=[1]", "evaluation.every=2",
    "evaluation.preview_steps=2", "device=cpu",
)  # fmt: skip
PENDULUM = (
    "+experiment=ppo", "env=pendulum", "training.env_steps=512", "algorithm.num_steps=64",
    "env.num_envs=4", "evaluation.episodes=1",
)  # fmt: skip


def tensorboard(folder: Path) -> EventAccumulator:
    """Everything in a folder of event files."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    return events.Reload()


def rows(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


def test_tensorboard_and_wandb_at_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished(
        genrl(
            "train", *MIXTURE, "logger=[tensorboard,wandb]", "logger.wandb.offline=true",
            f"hydra.run.dir={run}",
        )
    )  # fmt: skip
    events = tensorboard(run / "tensorboard")
    losses = [float(row["loss"]) for row in rows(run)]
    assert [event.step for event in events.Scalars("loss")] == [2, 4]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(losses)
    stages = json.loads((run / "summary.json").read_text())["stages"]
    for stage in stages:
        (event,) = events.Scalars(f"frechet/{stage['num_steps']}_steps_w0")
        assert event.value == pytest.approx(stage["frechet"])
    assert set(events.Tags()["images"]) == {path.stem for path in (run / "samples").glob("*.png")}
    assert len(events.Tags()["images"]) == 4

    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    assert all(repr(loss).encode() in log.read_bytes() for loss in losses)
    copies = {p.read_bytes() for p in run.glob("wandb/offline-run-*/files/media/images/*.png")}
    assert copies == {path.read_bytes() for path in (run / "samples").glob("*.png")}


def test_a_video_goes_along(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("logger=[tensorboard,wandb]", "logger.wandb.offline=true", f"hydra.run.dir={run}")
    finished(genrl("train", *PENDULUM, *words))
    (moving,) = tensorboard(run / "tensorboard").Images("final")
    assert moving.encoded_image_string.startswith(b"GIF89a")
    copies = list(run.glob("wandb/offline-run-*/files/media/videos/final*.mp4"))
    assert [copy.read_bytes() for copy in copies] == [(run / "videos/final.mp4").read_bytes()]


def test_wandb_without_a_login_warns_once_and_training_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_MODE", "online")
    run = tmp_path / "run"
    result = genrl("train", *MIXTURE, "logger=wandb", f"hydra.run.dir={run}")
    said = finished(result) + result.stdout
    assert said.count("the logger 'wandb' failed") == 1
    assert "Traceback" not in said
    assert len(rows(run)) == 2
    assert (run / "report.html").exists()
