"""Proof of a callback of diffusion runs: a kill and a resume change nothing of what it does."""

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from genrl.callbacks import CheckpointCallback, RunContext, StageCallback
from genrl.callbacks.checkpoint_io import SafeCheckpointIO
from genrl.callbacks.stages import StagesCallback
from genrl.data import TensorSet, TrainLoader
from genrl.diffusion import CosineSchedule, Stage
from genrl.diffusion.building import build_denoiser
from genrl.diffusion.guidance import guidances
from genrl.diffusion.objectives import Parts, objectives
from genrl.diffusion.time_grids import time_grids
from genrl.diffusion.time_samplers import time_samplers
from genrl.diffusion.weightings import weightings
from genrl.modules import DiffusionModule
from genrl.run_folder import RunFolder
from genrl.testing.diffusion.figures import require
from genrl.typing import DataSpec

STAGES = (
    Stage("teacher", {"name": "denoising"}, 5, 1e-3),
    Stage("student", {"name": "denoising"}, 4, 1e-3),
)
CHECKPOINT_EVERY = 2
KILLS = (4, 8)  # updates: one in each stage, each after a checkpoint


class _KillError(Exception):
    pass


class _Killer(StageCallback[DiffusionModule]):
    """Ends the process that it plays in, after the others saw the update."""

    def __init__(self, update: int | None) -> None:
        self.update = update

    def on_update_end(self, trainer: Trainer, module: DiffusionModule, stage: Stage) -> None:
        """The kill."""
        if module.updates == self.update:
            raise _KillError


def check_callback(build: Callable[[RunContext], StageCallback[Any]]) -> None:
    """A small run of two stages with it ends the same whether it is killed on the way or not.

    The same is its state, its files in the run's folder, and the trained weights. Its state must be
    made of tensors and plain values.

    Args:
        build: makes the callback of its run.

    Raises:
        CheckError: naming what differs.
    """
    with TemporaryDirectory() as folder:
        whole = _run(build, RunFolder(Path(folder) / "whole"), None)
        for kill in KILLS:
            path = RunFolder(Path(folder) / f"killed_{kill}")
            with contextlib.suppress(_KillError):
                _run(build, path, kill)
            resumed = _run(build, path, None)
            for what, first, second in zip(
                ("the trained weights", "the callback's state", "its files"),
                whole,
                resumed,
                strict=True,
            ):
                require(
                    _same(first, second),
                    f"a run that was killed after update {kill} of 9 and resumed from the "
                    f"checkpoint before ends with another result: {what} differ",
                )


def _run(
    build: Callable[[RunContext], StageCallback[Any]], folder: RunFolder, kill: int | None
) -> tuple[Any, Any, Any]:
    """Weights, state and files at the end."""
    context = RunContext(folder, {"seed": 0})
    callback = build(context)
    checkpoint = CheckpointCallback(context, every=CHECKPOINT_EVERY)
    module = _module()
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=module.total_updates,
        max_epochs=-1,
        logger=False,
        callbacks=[StagesCallback([callback, _Killer(kill), checkpoint], str(folder.last))],
        plugins=[SafeCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder.path),
    )
    data = TensorSet(torch.linspace(-1, 1, 16).view(8, 2))
    loader = TrainLoader(data, batch_size=4, num_batches=module.total_updates, seed=0)
    last = folder.last if folder.last.exists() else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(module, loader, ckpt_path=last, weights_only=True)
    files = {
        str(path.relative_to(folder.path)): path.read_bytes()
        for path in sorted(folder.path.rglob("*"))
        if path.is_file() and folder.checkpoints not in path.parents
    }
    return module.denoiser.state_dict(), callback.state_dict(), files


def _module() -> DiffusionModule:
    torch.manual_seed(0)
    spec, schedule = DataSpec((2,)), CosineSchedule()
    network = {"name": "mlp", "features": 8, "num_layers": 1}
    parts = Parts(
        schedule=schedule,
        weighting=weightings.build("truncated_snr", schedule),
        time_sampler=time_samplers.build("low_discrepancy", schedule),
        time_grid=time_grids.build("uniform", schedule),
        guidance=guidances.build("none", 0),
        num_classes=0,
    )
    return DiffusionModule(
        build_denoiser(spec, network=network, schedule="cosine", parameterization="v"),
        STAGES,
        [objectives.build(stage.objective, parts) for stage in STAGES],
        lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        seed=0,
    )


def _same(first: Any, second: Any) -> bool:
    """Equal to the last bit, whatever tensors and plain values are nested in."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, Sequence) and not isinstance(first, str | bytes):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)
