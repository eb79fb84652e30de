"""``genrl ema``: the average of any width, made after training from what a run has stored."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genrl import checkpoints
from genrl.networks.power_average import Profile, coefficients, gamma_of, profile_error
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder


@dataclass
class EmaOptions:
    """What ``genrl ema`` takes after the run."""

    sigma_rel: list[float] = field(default_factory=lambda: [0.1])
    stage: str | None = None


def ema(path: Path, options: EmaOptions) -> list[str]:
    """Write each average as a stage of its own, ``<stage>_ema<width>``; returns what was written.

    Raises:
        ConfigurationError: if the stage has no stored averages or a width is out of range.
    """
    folder = RunFolder.open(path)
    checkpoint = folder.load_stage(options.stage)
    about = checkpoint["genrl"]
    stage = about["stage"]
    if "sigma_rel" in about:
        raise ConfigurationError(f"'{stage}' is an average already: give the stage it was made of")
    files = folder.snapshots(stage)
    if not files:
        raise ConfigurationError(
            f"the stage '{stage}' of {path} has no stored averages: "
            "train with +callback@callbacks.posthoc_ema=posthoc_ema"
        )
    snapshots = [checkpoints.load(file) for file in files]
    lines = []
    for sigma_rel in options.sigma_rel:
        try:
            weights, error = reconstruct(snapshots, sigma_rel)
        except ValueError as mistake:
            raise ConfigurationError(str(mistake)) from mistake
        name = f"{stage}_ema{sigma_rel:g}"
        state = checkpoint["state_dict"]
        averaged = {
            key: weights[key].to(value) if key in weights else value for key, value in state.items()
        }
        checkpoints.save(
            folder.stage_checkpoint(name),
            {
                "genrl": {**about, "stage": name, "sigma_rel": sigma_rel},
                "state_dict": averaged,
                "averages": {},
            },
        )
        lines.append(f"stage {name}: error of its profile {100 * error:.2g} %")
    return [*lines, f"try it: genrl sample {path} stage={name}"]


def reconstruct(
    snapshots: list[dict[str, Any]], sigma_rel: float
) -> tuple[dict[str, Tensor], float]:
    """The average of a width at the end of a stage, and the relative error of its profile.

    Args:
        snapshots: as `PosthocEMACallback` stores them.
        sigma_rel: the width.

    Raises:
        ValueError: if the width is out of range.
    """
    stored = [
        (Profile(snapshot["genrl"]["step"], gamma_of(float(width))), average)
        for snapshot in snapshots
        for width, average in snapshot["averages"].items()
    ]
    profiles = [profile for profile, _ in stored]
    wanted = Profile(snapshots[-1]["genrl"]["updates"], gamma_of(sigma_rel))
    weights = {
        name: torch.zeros_like(value, dtype=torch.float64) for name, value in stored[0][1].items()
    }
    for coefficient, (_, average) in zip(coefficients(profiles, wanted), stored, strict=True):
        for name, value in average.items():
            weights[name].add_(value.double(), alpha=float(coefficient))
    return {name: value.float() for name, value in weights.items()}, profile_error(profiles, wanted)
