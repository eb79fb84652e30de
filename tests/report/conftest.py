"""A run folder with plausible numbers and real pictures."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.datasets import load_digits

from genrl.evaluation import sample_grid, save_image

STAGES = ("teacher", "guided", "16", "8", "4", "2", "1")
WEIGHTS = (0.0, 1.0, 4.0)
STUDENT_LOSS = {"guided": 1.0, "16": 1.01, "8": 1.02, "4": 1.05, "2": 1.28, "1": 1.93}
TEACHER_LOSS = {64: 1.0, 16: 1.21, 8: 2.05, 4: 6.4, 2: 23.0, 1: 71.0}

MakeRun = Callable[..., Path]


def stage_rows(factor: float) -> list[dict[str, Any]]:
    """One row for each stage, number of steps and weight."""
    rows = []
    plan = [("teacher", steps, loss) for steps, loss in TEACHER_LOSS.items()]
    plan += [
        (name, 32 if name == "guided" else int(name), factor * loss)
        for name, loss in STUDENT_LOSS.items()
    ]
    for name, steps, loss in plan:
        for w in WEIGHTS:
            base = {0.0: 9.317, 1.0: 6.1234567, 4.0: 18.25}[w]
            runs = 2 if name == "teacher" and w > 0 else 1
            rows.append(
                {
                    "name": name,
                    "num_steps": steps,
                    "sampler": "ddim",
                    "w": w,
                    "frechet": base * loss,
                    "frechet_held_out": base * loss * 1.04 + 0.3,
                    "precision": round(0.94 / loss**0.2, 4),
                    "recall": round(0.81 / (1 + 0.2 * w) / loss**0.3, 4),
                    "accuracy": round(min(0.999, 0.93 + 0.02 * w) / loss**0.1, 4),
                    "paired_rmse": None if loss == 1.0 else round(0.05 + 0.08 * np.log(loss), 5),
                    "nearest_distance": round(2.1 + 0.1 * np.log(loss), 4),
                    "seconds_per_image": 0.00021 * steps * runs + 0.00013,
                    "network_evaluations": steps * runs,
                    "frechet_ratio": loss,
                }
            )
    return rows


def draw_pictures(folder: Path) -> None:
    """A grid (class by weight) and a picture of neighbours for each stage and number of steps."""
    digits = load_digits()
    x = torch.tensor(digits.images / 8 - 1, dtype=torch.float32)[:30, None]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    index: list[dict[str, Any]] = []
    for i, row in enumerate(stage_rows(1.0)[:: len(WEIGHTS)]):
        stage, steps = row["name"], row["num_steps"]
        blurred = x + (0.02 * i + 0.1 * np.log(row["frechet_ratio"])) * noise
        grid = blurred.reshape(3, 10, 1, 8, 8).transpose(0, 1)
        caption = ("" if stage == str(steps) else f"{stage}, ") + f"{steps} step{'s' * (steps > 1)}"
        name = f"{stage}_{steps}steps"
        image = sample_grid(grid, list("0123456789"), [f"w = {w:g}" for w in WEIGHTS])
        save_image(image, folder / f"{name}.png")
        entry = {"stage": stage, "num_steps": steps, "caption": caption}
        index.append({**entry, "w": None, "kind": "grid", "file": f"{name}.png"})
        pairs = torch.stack([blurred[:10], x[10:20]])
        image = sample_grid(pairs, ["sample", "nearest"], ["2.10"] * 10)
        save_image(image, folder / f"{name}_nearest.png")
        entry["caption"] += ", w = 1; distance above each pair"
        index.append({**entry, "w": 1.0, "kind": "nearest", "file": f"{name}_nearest.png"})
    (folder / "index.json").write_text(json.dumps(index))


def write_metrics(path: Path, updates: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        names = ["update", "stage", "loss", "gradient_norm", "learning_rate", "frechet"]
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        update = 0
        for stage in STAGES:
            length = 2 * updates if stage == "teacher" else updates
            level = 0.4 if stage == "teacher" else 0.02
            for step in range(50, length + 1, 50):
                update += 50
                loss = level * (0.3 + np.exp(-6 * step / length)) * rng.lognormal(0, 0.08)
                writer.writerow(
                    {
                        "update": update,
                        "stage": stage,
                        "loss": loss,
                        "gradient_norm": 4 * loss**0.5,
                        "learning_rate": 1e-3 * (1 - step / length) + 1e-7,
                        "frechet": 12.0 if step == length else "",
                    }
                )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn once for all runs."""
    folder = tmp_path_factory.mktemp("pictures") / "samples"
    draw_pictures(folder)
    return folder


@pytest.fixture
def make_run(tmp_path: Path, pictures: Path) -> MakeRun:
    """Writes a finished run and returns its folder."""

    def make(
        folder: str = "2026-11-21_03-00-00",
        name: str = "cfg_distill",
        seed: int = 0,
        factor: float = 1.0,
        updates: int = 1000,
        **config: Any,
    ) -> Path:
        path = tmp_path / folder
        path.mkdir()
        whole = {
            "name": name,
            "seed": seed,
            "data": {"name": "digits", "held_out_fraction": 0.2},
            "network": {"name": "unet", "channels": 32, "multipliers": [1, 2]},
            "schedule": {"name": "cosine"},
            "distill": {"ladder": [16, 8, 4, 2, 1], "updates": updates},
            **config,
        }
        versions = {"genrl": "0.1.0", "torch": "2.15.0", "numpy": "2.4.6"}
        summary = {
            "name": name,
            "seed": seed,
            "data": "digits",
            "feature": {"name": "digits", "held_out_accuracy": 0.9861},
            "num_samples": 1000,
            "reference": {"stage": "teacher", "num_steps": 64},
            "baselines": {"train_vs_held_out_frechet": 2.87},
            "stages": stage_rows(factor),
        }
        (path / "config.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        (path / "versions.yaml").write_text(yaml.safe_dump(versions, sort_keys=False))
        (path / "summary.json").write_text(json.dumps(summary))
        write_metrics(path / "metrics.csv", updates, seed)
        shutil.copytree(pictures, path / "samples")
        return path

    return make
