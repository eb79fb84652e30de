"""``genrl export RUN --to diffusers``: a folder that `DiffusionPipeline.from_pretrained` loads.

Of a run with ``network=diffusers_unet`` the folder is plain diffusers: nobody who loads it needs
genrl, and nothing in it is code. Theirs is a model of T discrete steps, so the time grid becomes
their table of β, DDIM with trailing spacing visits it as genrl's sampler does, and what genrl adds
to the network becomes tables of that network: the embedding of each step's log-SNR, and for each
guidance weight w_i and label the sum of both embeddings, in the row

    class_labels = i · (num_classes + 1) + label

Other networks cannot be written as a UNet2DModel: theirs knows neither our embedding of λ nor our
groups of normalization.
"""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrl import __version__
from genrl.diffusion import DDIMSampler, Denoiser, NoThresholding
from genrl.diffusion.parameterizations import parameterizations
from genrl.diffusion.samplers import samplers
from genrl.files import write_text
from genrl.networks import DiffusersUNet
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.diffusers_teacher import PARAMETERIZATIONS
from genrl.tasks.sample import TrainedStage, load_trained_stage

FINE = 1024
"""About how many steps the exported table has where the time grid nests."""


@dataclass
class ExportOptions:
    """What ``genrl export`` takes after the run."""

    to: str = "diffusers"
    stage: str | None = None
    steps: int | None = None
    w: list[float] = field(default_factory=lambda: [0.0, 1.0, 2.0, 4.0])
    out: str | None = None


def export(path: Path, options: ExportOptions) -> Path:
    """Write the folder of a stage; returns it.

    Raises:
        ConfigurationError: if the run or an option cannot be written exactly in diffusers' terms.
    """
    if options.to != "diffusers":
        raise ConfigurationError(f"to={options.to}: a run can be exported to diffusers")
    folder = RunFolder.open(path)
    if is_agent(folder.config()):
        raise ConfigurationError(f"{path} is an agent's run: a diffusion model can be exported")
    trained = load_trained_stage(folder, options.stage, "cpu")
    denoiser = trained.drawer.denoiser
    assert isinstance(denoiser, Denoiser)
    network = denoiser.network
    if not isinstance(network, DiffusersUNet) or network.takes_tokens:
        raise ConfigurationError(
            f"the network of {path} cannot be written as a UNet2DModel of diffusers; "
            "train with network=diffusers_unet"
        )
    name = _prediction_type(parameterizations.name_of(type(denoiser.parameterization)))
    steps = options.steps or trained.num_steps or trained.drawer.sampler.steps
    if steps < 1:
        raise ConfigurationError(f"steps must be at least 1, not {steps}")
    log_snrs = _log_snrs(trained, steps)
    weights = options.w if trained.is_guided else []
    out = Path(options.out) if options.out else folder.path / "diffusers" / trained.name
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} is not empty: give out=FOLDER or remove it")
    diffusers = importlib.import_module("diffusers")
    unet = _unet(diffusers, network, log_snrs, weights)
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=len(log_snrs),
        trained_betas=_betas(log_snrs),
        prediction_type=name,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    has_classes = trained.spec.num_classes > 0
    # Theirs for class labels in general: its loop asks unet and scheduler, whichever they are.
    pipeline = diffusers.ConsistencyModelPipeline if has_classes else diffusers.DDIMPipeline
    pipeline(unet, scheduler).save_pretrained(out, safe_serialization=True)
    about = _about(trained, steps, weights)
    write_text(out / "genrl.json", json.dumps(about, indent=1) + "\n")
    return out


def _prediction_type(parameterization: str) -> str:
    known = {ours: theirs for theirs, ours in PARAMETERIZATIONS.items()}
    if parameterization not in known:
        raise ConfigurationError(
            f"diffusers has no prediction type for parameterization={parameterization}; "
            f"it has {', '.join(known)}"
        )
    return known[parameterization]


def _log_snrs(trained: TrainedStage, steps: int) -> Tensor:
    """λ of the exported steps 0, 1, ..., float64: the time grid from its end to its start.

    Raises:
        ConfigurationError: if the schedule does not preserve variance.
    """
    sampler = trained.drawer.sampler
    grid, schedule = sampler.time_grid, sampler.schedule
    count = steps * max(1, round(FINE / steps))
    times = grid.times(count)
    if not torch.allclose(times[:: count // steps], grid.times(steps), rtol=0, atol=1e-9):
        times = grid.times(steps)
    times = times[:-1].flip(0)
    level = schedule.level(times)
    if not torch.allclose(level.alpha**2 + level.sigma**2, torch.ones_like(times)):
        raise ConfigurationError(
            f"a {type(schedule).__name__} does not preserve variance, as a table of β must"
        )
    return level.log_snr


def _betas(log_snrs: Tensor) -> list[float]:
    """β of each step, such that their product in float32, as diffusers multiplies, is ᾱ."""
    betas, product = [], np.float32(1.0)
    for wanted in torch.sigmoid(log_snrs).tolist():
        beta = np.float32(1.0 - wanted / float(product))
        product = np.float32(product * (np.float32(1.0) - beta))
        betas.append(float(beta))
    return betas


@torch.no_grad()
def _unet(
    diffusers: Any, network: DiffusersUNet, log_snrs: Tensor, weights: Sequence[float]
) -> Any:
    """The network with everything that genrl adds to it in its own tables."""
    theirs: Any = network.model
    state = dict(theirs.state_dict())
    steps = network.timesteps(log_snrs)
    if network.has_learned_steps:
        steps = steps.round().long()
    state["time_proj.weight"] = theirs.time_proj(steps).float()
    config = {
        **{key: value for key, value in theirs.config.items() if not key.startswith("_")},
        "time_embedding_type": "learned",
        "num_train_timesteps": len(log_snrs),
        "class_embed_type": None,
    }
    if network.label is not None:
        rows = network.label.weight
        if weights:
            guidance = network.guidance(network.guidance_features(torch.tensor(weights)))
            rows = (guidance[:, None] + rows).flatten(0, 1)
        state["class_embedding.weight"] = rows
        config["num_class_embeds"] = len(rows)
    unet = diffusers.UNet2DModel(**config)
    unet.load_state_dict(state)
    return unet.eval()


def _about(trained: TrainedStage, steps: int, weights: Sequence[float]) -> dict[str, Any]:
    """What a user must know to call the pipeline, and what it leaves out."""
    sampler = trained.drawer.sampler
    left_out = []
    if type(sampler) is not DDIMSampler or sampler.is_stochastic:
        left_out.append(f"sampler {samplers.name_of(type(sampler))}: this folder samples by DDIM")
    if not isinstance(trained.drawer.thresholding, NoThresholding | None):
        left_out.append("thresholding")
    if trained.drawer.guidance is not None and not trained.is_guided and trained.spec.num_classes:
        left_out.append("guidance: combine the classes with the null class yourself")
    return {
        "made_by": f"genrl {__version__}",
        "stage": trained.name,
        "num_inference_steps": steps,
        "num_classes": trained.spec.num_classes,
        "w": list(weights),
        "class_labels": "i * (num_classes + 1) + label for the i-th w; label = num_classes is null",
        "left_out": left_out,
    }
