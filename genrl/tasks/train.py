"""``genrl train`` and ``genrl resume``."""

import logging
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from genrl import checkpoints
from genrl.callbacks import (
    ImageEvaluationCallback,
    MetricsCallback,
    ProgressCallback,
    RunContext,
    SafeCheckpointIO,
    StageCallback,
    StagesCallback,
    callbacks,
)
from genrl.config import instantiate
from genrl.data import DataSource, TrainLoader
from genrl.diffusion import Stage
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.report import write_report
from genrl.run_folder import RunFolder
from genrl.tasks.build import (
    Config,
    Drawers,
    build_data,
    build_feature,
    build_module,
    build_stages,
)
from genrl.tasks.device import accelerator
from genrl.tasks.evaluation import make_evaluation
from genrl.tasks.teacher import Teacher, load_teacher

log = logging.getLogger(__name__)


def train(config: Config, path: Path) -> RunFolder:
    """Start a run in a folder that holds none.

    Args:
        config: plain and complete.
        path: of the run's folder.

    Raises:
        ConfigurationError: on any mistake that the user can mend.
        DivergenceError: if loss or gradient become NaN or infinite.
    """
    teacher = load_teacher(Path(config["teacher"])) if config["teacher"] else None
    if teacher is not None:
        config = teacher.adapt(config)
    data = build_data(config)
    stages = build_stages(config, has_teacher=teacher is not None)
    module = build_module(config, data.spec, stages)
    if teacher is not None:
        teacher.load_into(module)
    folder = RunFolder(path)
    _fit(config, folder, data, module, teacher=teacher, is_new=True)
    return folder


def resume(path: Path) -> RunFolder:
    """Go on with a run after its last checkpoint, with the config it was started with.

    Raises:
        ConfigurationError: if there is no run, or neither of its two last checkpoints is whole.
    """
    folder = RunFolder.open(path)
    config = folder.config()
    data = build_data(config)
    stages = build_stages(config, has_teacher=bool(config["teacher"]))
    module = build_module(config, data.spec, stages)
    checkpoint = newest_checkpoint(folder)
    teacher = None
    if checkpoint is None and config["teacher"]:
        teacher = load_teacher(Path(config["teacher"]))
        teacher.load_into(module)
    _fit(config, folder, data, module, teacher=teacher, checkpoint=checkpoint)
    return folder


def newest_checkpoint(folder: RunFolder) -> Path | None:
    """``last.ckpt``, or the one before it where that is damaged; None where there is neither.

    Raises:
        ConfigurationError: if both are damaged.
    """
    damage: list[str] = []
    for path in (folder.last, folder.previous):
        if not path.exists():
            continue
        try:
            checkpoints.load(path)
        except checkpoints.DamagedCheckpointError as error:
            damage.append(str(error))
            continue
        if damage:
            warnings.warn(f"{damage[0]}; going on from {path} instead", stacklevel=2)
        return path
    if damage:
        raise ConfigurationError(
            f"no whole checkpoint is left in {folder.checkpoints}: {'; '.join(damage)}. "
            "Start again: genrl train with the same overrides"
        )
    return None


def _fit(
    config: Config,
    folder: RunFolder,
    data: DataSource,
    module: DiffusionModule,
    *,
    teacher: Teacher | None = None,
    checkpoint: Path | None = None,
    is_new: bool = False,
) -> None:
    # Numbers below 1e-38 are slow on a CPU and mean nothing here.
    torch.set_flush_denormal(True)
    followers = _followers(config, folder, data)
    progress = next((f for f in followers if isinstance(f, ProgressCallback)), None)
    trainer = _trainer(config, folder, module, followers)
    _check_later_parts(config, data, module)
    if is_new and trainer.is_global_zero:
        RunFolder.create(folder.path, config)
    loader = TrainLoader(
        data.train(),
        batch_size=config["training"]["batch_size"] // trainer.world_size,
        num_batches=module.total_updates,
        seed=config["seed"],
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    try:
        if teacher is not None:
            _evaluate_teacher(trainer, module, followers, teacher.stage)
        with warnings.catch_warnings():
            # Our loader keeps small sets in memory; Lightning would advise worker processes.
            warnings.filterwarnings("ignore", module="lightning")
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit without a word.
        raise KeyboardInterrupt(
            f"interrupted at update {module.updates}; go on with: genrl resume {folder.path}"
        ) from error
    finally:
        if progress is not None:
            progress.stop()
    if trainer.is_global_zero:
        write_report([folder.path], folder.report)


def _check_later_parts(config: Config, data: DataSource, module: DiffusionModule) -> None:
    """Build what a stage's end will build: a mistake is found now, not after hours of training."""
    drawers = Drawers(config, data.spec)
    for is_guided in (False, True):
        drawers(module.denoiser, is_guided)
    if config["evaluation"]["name"] != "none":
        build_feature(config, data)
    module.make_optimizer(module.denoiser.parameters())


def _followers(config: Config, folder: RunFolder, data: DataSource) -> list[StageCallback[Any]]:
    """EMA first, for others look at averaged weights; the checkpoint last: it closes a stage."""
    built: list[StageCallback[Any]] = []

    def say(text: str) -> None:
        log.info(text)
        for callback in built:
            if isinstance(callback, ProgressCallback):
                callback.say(text)

    context = RunContext(folder, config, partial(make_evaluation, folder, config, data, say))
    built += [callbacks.build(config[key], context) for key in ("progress", "ema")]
    built.append(MetricsCallback(folder.metrics, config["training"]["log_every"]))
    chosen = [config["evaluation"], *config["callbacks"].values(), config["checkpoint"]]
    built += [callbacks.build(choice, context) for choice in chosen]
    return built


def _trainer(
    config: Config, folder: RunFolder, module: DiffusionModule, followers: list[StageCallback[Any]]
) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    settings = dict(config["trainer"])
    settings["accelerator"] = accelerator(settings["accelerator"])
    if settings.get("accumulate_grad_batches", 1) != 1:
        raise ConfigurationError(
            "trainer.accumulate_grad_batches is not supported: stages count updates by batches; "
            "give a larger training.batch_size"
        )
    loggers = []
    if config["logger"] is not None:
        loggers = [instantiate({"save_dir": str(folder.path), **config["logger"]})]
    stages = StagesCallback(followers, str(folder.last))
    trainer = instantiate(
        settings,
        max_steps=module.total_updates,
        max_epochs=-1,
        logger=loggers or False,
        callbacks=[stages, *followers],
        plugins=[SafeCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=str(folder.path),
    )
    assert isinstance(trainer, Trainer)
    if config["training"]["batch_size"] % trainer.world_size:
        raise ConfigurationError(
            f"training.batch_size={config['training']['batch_size']} is the global batch; "
            f"it cannot be shared by {trainer.world_size} devices"
        )
    return trainer


def _evaluate_teacher(
    trainer: Trainer, module: DiffusionModule, followers: list[StageCallback[Any]], stage: Stage
) -> None:
    """A given teacher is measured as if its stage had just ended."""
    module.to(trainer.strategy.root_device)
    for follower in followers:
        if isinstance(follower, ImageEvaluationCallback):
            follower.on_stage_end(trainer, module, stage)
