"""``genrl sample``: a picture and an array from any stage of a run."""

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genrl.diffusion import SampleDrawer
from genrl.diffusion.drawing import class_of
from genrl.evaluation.grid import sample_grid, save_image, scatter_grid
from genrl.files import write_bytes
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent
from genrl.tasks.build import Drawers, build_denoiser
from genrl.tasks.components import require_no_guidance, with_components
from genrl.tasks.device import best_device
from genrl.tasks.guidance import guidance_sources
from genrl.tasks.optimized import chosen_file
from genrl.tasks.watch_agent import film_agent
from genrl.typing import DataSpec


@dataclass
class SampleOptions:
    """What ``genrl sample`` takes after the run."""

    n: int = 64
    steps: int | None = None
    w: float = 1.0
    stage: str | None = None
    label: int | None = None
    seed: int = 0
    out: str | None = None
    grid: str | None = None
    device: str = "auto"
    batch_size: int = 250
    components: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedStage:
    """A finished stage, ready to draw from.

    Args:
        name: of the stage.
        drawer: of its samples.
        num_steps: that it was distilled for, or None.
        is_guided: whether it takes w as an input.
        spec: of its data.
    """

    name: str
    drawer: SampleDrawer
    num_steps: int | None
    is_guided: bool
    spec: DataSpec


def load_trained_stage(
    folder: RunFolder,
    stage: str | None,
    device: torch.device | str,
    components: Mapping[str, Mapping[str, Any]] | None = None,
) -> TrainedStage:
    """Rebuild the student of a stage from its checkpoint alone, or with other components.

    Raises:
        ConfigurationError: if there is no such stage, or another guidance is asked for and it has
            learned one.
    """
    checkpoint = folder.load_stage(stage)
    about = checkpoint["genrl"]
    components = components or {}
    if about["is_guided"]:
        require_no_guidance(about["stage"], components)
    config = with_components(about["config"], components)
    spec = DataSpec(tuple(about["data"]["shape"]), about["data"]["num_classes"])
    denoiser = build_denoiser(config, spec)
    denoiser.load_state_dict(checkpoint["state_dict"])
    denoiser.eval().to(device)
    sources = guidance_sources(config, spec, folder, _tell)
    drawer = Drawers(config, spec, sources)(denoiser, about["is_guided"])
    return TrainedStage(about["stage"], drawer, about["num_steps"], about["is_guided"], spec)


def sample(path: Path, options: SampleOptions) -> tuple[Path, ...]:
    """Draw samples into the run's folder; returns the picture and the array (``.npz``: x, label).

    Of an agent's run it draws a video of its policy instead.

    Raises:
        ConfigurationError: if the stage or an option cannot be.
    """
    if options.n < 1 or options.batch_size < 1:
        raise ConfigurationError("n and batch_size must be at least 1")
    folder = RunFolder.open(path)
    if is_agent(folder.config()):
        if options != SampleOptions(seed=options.seed, out=options.out, device=options.device):
            raise ConfigurationError(
                f"{path} is an agent's run, of which a video is drawn: only seed= and out= apply"
            )
        return (film_agent(folder, options.seed, options.out),)
    device = best_device(options.device)
    optimized = chosen_file(options.grid, options.stage, options.components, options.steps)
    stage = options.stage if optimized is None else optimized.stage
    trained = load_trained_stage(folder, stage, device, options.components)
    if optimized is not None:
        trained.drawer.sampler = optimized.sampler(trained.drawer.sampler)
    steps = options.steps or trained.num_steps or trained.drawer.sampler.steps
    if steps < 1:
        raise ConfigurationError(f"steps must be at least 1, not {steps}")
    labels = class_of(range(options.n), trained.spec)
    if options.label is not None:
        if not 0 <= options.label < trained.spec.num_classes:
            raise ConfigurationError(
                f"label={options.label}: the classes are 0 to {trained.spec.num_classes - 1}"
            )
        labels = torch.full((options.n,), options.label)
    x = trained.drawer.draw(
        range(options.n),
        steps=steps,
        w=options.w,
        seed=options.seed,
        labels=labels,
        batch_size=options.batch_size,
        device=device,
    )
    what = trained.name if optimized is None else f"{trained.name}_{optimized.method}"
    name = f"sample_{what}_{steps}steps_w{options.w:g}_seed{options.seed}"
    chosen = [str(given["name"]) for given in options.components.values() if "name" in given]
    name = "_".join([name, *chosen])
    out = Path(options.out) if options.out else folder.samples / name
    picture, array = out.with_name(f"{out.name}.png"), out.with_name(f"{out.name}.npz")
    _draw(x, labels, trained.spec, picture)
    buffer = io.BytesIO()
    label = np.full(options.n, -1) if labels is None else labels.numpy()
    np.savez_compressed(buffer, x=x.numpy(), label=label)
    write_bytes(array, buffer.getvalue())
    return picture, array


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _draw(x: torch.Tensor, labels: torch.Tensor | None, spec: DataSpec, path: Path) -> None:
    if len(spec.shape) != 3:
        classes = None if labels is None else labels
        save_image(scatter_grid(x.flatten(1)[None, :, :2], [""], classes), path)
        return
    columns = min(spec.num_classes or 8, 16, len(x))
    rows = -(-len(x) // columns)
    blank = torch.full((rows * columns - len(x), *spec.shape), 1.0)
    grid = torch.cat([x, blank]).view(rows, columns, *spec.shape)
    save_image(sample_grid(grid, [""] * rows, [""] * columns), path)
