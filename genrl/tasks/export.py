"""``genrl export RUN --to diffusers``: a folder that `DiffusionPipeline.from_pretrained` loads.

Theirs is a model of T discrete steps, so the time grid becomes their table of β, and DDIM with
trailing spacing visits it as genrl's sampler does. The model is in one of two forms, weights in
safetensors and no code in either:

- With ``network=diffusers_unet`` it is a UNet2DModel, and whoever loads it needs no genrl
  (`genrl.tasks.export_unet`).
- Every other network is an `ExportedModel` of genrl, which must be installed and imported. Theirs
  knows neither our embedding of λ and w nor our groups of normalization.
"""

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrl import __version__
from genrl.diffusion import DDIMSampler, Denoiser, NoiseLevel, NoThresholding
from genrl.diffusion.samplers import samplers
from genrl.files import write_text
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.build import MODEL_KEYS
from genrl.tasks.export_unet import plain_prediction_type, plain_unet
from genrl.tasks.sample import TrainedStage, load_trained_stage

FINE = 1024
"""About how many steps the exported table has where the time grid nests."""

_UNIT = 1e-4  # the noise at the start may be this far from standard normal


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
        ConfigurationError: if the run or an option cannot be written in diffusers' terms.
    """
    if options.to != "diffusers":
        raise ConfigurationError(f"to={options.to}: a run can be exported to diffusers")
    folder = RunFolder.open(path)
    if is_agent(folder.config()):
        raise ConfigurationError(f"{path} is an agent's run: a diffusion model can be exported")
    trained = load_trained_stage(folder, options.stage, "cpu")
    denoiser = trained.drawer.denoiser
    assert isinstance(denoiser, Denoiser)
    shape = trained.spec.shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ConfigurationError(f"diffusers' pipelines draw square images, not data of {shape}")
    steps = options.steps or trained.num_steps or trained.drawer.sampler.steps
    if steps < 1:
        raise ConfigurationError(f"steps must be at least 1, not {steps}")
    out = Path(options.out) if options.out else folder.path / "diffusers" / trained.name
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} is not empty: give out=FOLDER or remove it")
    try:
        diffusers = importlib.import_module("diffusers")
    except ImportError as error:
        raise ConfigurationError(
            "genrl export needs the library diffusers: pip install 'genrl[diffusers]'"
        ) from error
    times = _times(trained, steps)
    level = trained.drawer.sampler.schedule.level(times)
    name = plain_prediction_type(denoiser, level)
    weights = None
    if name is None:
        name = "v_prediction"
        model = _exported_model(folder, trained, denoiser, times)
    else:
        weights = options.w if trained.is_guided else []
        model = plain_unet(denoiser.network, level.log_snr, weights)
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=len(times),
        trained_betas=_betas(level.log_snr),
        prediction_type=name,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    has_classes = trained.spec.num_classes > 0
    # Theirs for class labels in general: its loop asks unet and scheduler, whichever they are.
    pipeline = diffusers.ConsistencyModelPipeline if has_classes else diffusers.DDIMPipeline
    pipeline(model, scheduler).save_pretrained(out, safe_serialization=True)
    about = _about(trained, steps, weights, level)
    write_text(out / "genrl.json", json.dumps(about, indent=1) + "\n")
    write_text(out / "README.md", _card(trained, about))
    return out


def _exported_model(
    folder: RunFolder, trained: TrainedStage, denoiser: Denoiser, times: Tensor
) -> Any:
    """The denoiser as it is, in the class that genrl adds to diffusers."""
    from genrl.exported import ExportedModel

    channels, size, _ = trained.spec.shape
    config = folder.load_stage(trained.name)["genrl"]["config"]
    model = ExportedModel(
        in_channels=channels,
        sample_size=size,
        num_class_embeds=trained.spec.num_classes or None,
        parts={key: config[key] for key in MODEL_KEYS},
        times=times.tolist(),
        is_guided=trained.is_guided,
    )
    model.denoiser.load_state_dict(denoiser.state_dict())
    return model.eval()


def _times(trained: TrainedStage, steps: int) -> Tensor:
    """t of the exported steps 0, 1, ..., float64: the time grid from its end to its start."""
    grid = trained.drawer.sampler.time_grid
    count = steps * max(1, round(FINE / steps))
    times = grid.times(count)
    if not torch.allclose(times[:: count // steps], grid.times(steps), rtol=0, atol=1e-9):
        times = grid.times(steps)
    return times[:-1].flip(0)


def _betas(log_snrs: Tensor) -> list[float]:
    """β of each step, such that their product in float32, as diffusers multiplies, is ᾱ."""
    betas, product = [], np.float32(1.0)
    for wanted in torch.sigmoid(log_snrs).tolist():
        beta = np.float32(1.0 - wanted / float(product))
        product = np.float32(product * (np.float32(1.0) - beta))
        betas.append(float(beta))
    return betas


def _about(
    trained: TrainedStage, steps: int, weights: list[float] | None, level: NoiseLevel
) -> dict[str, Any]:
    """What a user must know to call the pipeline, and what it leaves out.

    ``weights`` are those of a plain UNet2DModel, None for an `ExportedModel`.
    """
    sampler = trained.drawer.sampler
    left_out = []
    if type(sampler) is not DDIMSampler or sampler.is_stochastic:
        left_out.append(f"sampler {samplers.name_of(type(sampler))}: this folder samples by DDIM")
    if not isinstance(trained.drawer.thresholding, NoThresholding | None):
        left_out.append("thresholding")
    if trained.drawer.guidance is not None and not trained.is_guided and trained.spec.num_classes:
        left_out.append("guidance: combine the classes with the null class yourself")
    start = level.sigma[-1].item() / float(torch.hypot(level.alpha[-1], level.sigma[-1]))
    if abs(start - 1) > _UNIT:
        left_out.append(
            f"the start: genrl scales the noise by {start:.6g}, pipelines of diffusers by 1"
        )
    about = {
        "made_by": f"genrl {__version__}",
        "needs_genrl": weights is None,
        "stage": trained.name,
        "num_inference_steps": steps,
        "num_classes": trained.spec.num_classes,
        "left_out": left_out,
    }
    if weights is None:
        rows = "a float tensor of rows [label, w]" if trained.is_guided else "label"
        return {**about, "class_labels": f"{rows}; label = num_classes is null"}
    rows = "i * (num_classes + 1) + label for the i-th w; label = num_classes is null"
    return {**about, "w": list(weights), "class_labels": rows}


def _card(trained: TrainedStage, about: dict[str, Any]) -> str:
    """A README of the folder: how it is loaded and what it leaves out."""
    is_ours, classes = about["needs_genrl"], trained.spec.num_classes
    arguments = [f"num_inference_steps={about['num_inference_steps']}"]
    needs = "diffusers alone; genrl is not needed"
    imports = ["import torch", "from diffusers import DiffusionPipeline"]
    if is_ours:
        needs = "diffusers, and genrl: `pip install 'genrl[diffusers]'`"
        imports.append("import genrl.exported  # the model's class, which diffusers then finds")
    if classes and is_ours and trained.is_guided:
        labels = "torch.tensor([[0.0, 2.0]])"
        arguments.insert(0, f"class_labels={labels}")
    elif classes:
        arguments.insert(0, "class_labels=[0]")
    lines = [
        f"# {about['stage']}, by {about['made_by']}",
        "",
        f"Needs {needs}. Weights are safetensors; nothing here is code.",
        "",
        "```python",
        *imports,
        "",
        "pipe = DiffusionPipeline.from_pretrained(FOLDER)",
        f"images = pipe(batch_size=1, {', '.join(arguments)}).images",
        "```",
        "",
    ]
    if classes:
        lines += [f"`class_labels`: {about['class_labels']}.", ""]
    if about["left_out"]:
        lines += ["Left out:", "", *(f"- {item}" for item in about["left_out"]), ""]
    return "\n".join(lines)
