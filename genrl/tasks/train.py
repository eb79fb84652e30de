"""``genrl train`` and ``genrl resume``."""

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml
from lightning import Trainer

from genrl import checkpoints
from genrl.callbacks import ImageEvaluationCallback, RunContext
from genrl.data import DataSource, TrainLoader
from genrl.diffusion import Stage
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError, suggest
from genrl.run_folder import RunFolder
from genrl.tasks.agent import is_agent, resume_agent, train_agent
from genrl.tasks.build import (
    Config,
    Drawers,
    build_data,
    build_feature,
    build_module,
    build_stages,
)
from genrl.tasks.evaluation import make_evaluation
from genrl.tasks.fit import Announcer, Followers, build_followers, build_trainer, fit
from genrl.tasks.guidance import guidance_sources, with_absolute_paths
from genrl.tasks.sharded import place
from genrl.tasks.teacher import TEACHER_STAGE, Teacher, load_teacher

# What may change from one resume to the next: not what is learned, only where.
TRAINER_KEYS = ("trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.accelerator")


def train(config: Config, path: Path) -> RunFolder:
    """Start a run in a folder that holds none.

    Args:
        config: plain and complete.
        path: of the run's folder.

    Raises:
        ConfigurationError: on any mistake that the user can mend.
        DivergenceError: if loss or gradient become NaN or infinite.
    """
    if is_agent(config):
        return train_agent(config, path)
    config = with_absolute_paths(config)
    teacher = load_teacher(Path(config["teacher"])) if config["teacher"] else None
    if teacher is not None:
        config = teacher.adapt(config)
    data = build_data(config)
    stages = build_stages(config, has_teacher=teacher is not None)
    folder, say = RunFolder(path), Announcer()
    sources = guidance_sources(config, data.spec, folder)
    module = build_module(config, data.spec, stages, sources, say)
    if teacher is not None:
        teacher.load_into(module)
    _fit(config, folder, data, module, say, teacher=teacher, is_new=True)
    return folder


def resume(path: Path, devices: Mapping[str, str] | None = None) -> RunFolder:
    """Go on with a run after its last checkpoint, with the config it was started with.

    Args:
        path: of the run's folder.
        devices: other values of `TRAINER_KEYS`, such as ``trainer.devices``, for this time.

    Raises:
        ConfigurationError: if there is no run, or neither of its two last checkpoints is whole.
    """
    folder = RunFolder.open(path)
    config = on_devices(folder.config(), devices or {})
    if is_agent(config):
        return resume_agent(folder, config, newest_checkpoint(folder))
    data = build_data(config)
    stages = build_stages(config, has_teacher=bool(config["teacher"]))
    say = Announcer()
    sources = guidance_sources(config, data.spec, folder)
    module = build_module(config, data.spec, stages, sources, say)
    checkpoint = newest_checkpoint(folder)
    teacher = None
    if checkpoint is None and config["teacher"]:
        teacher = load_teacher(Path(config["teacher"]))
        teacher.load_into(module)
    _fit(config, folder, data, module, say, teacher=teacher, checkpoint=checkpoint)
    return folder


def on_devices(config: Config, devices: Mapping[str, str]) -> Config:
    """The config of a run on other devices.

    Raises:
        ConfigurationError: if more than `TRAINER_KEYS` would change.
    """
    trainer = dict(config["trainer"])
    for key, value in devices.items():
        if key not in TRAINER_KEYS:
            raise ConfigurationError(
                f"a run goes on with the config that it was started with: only "
                f"{', '.join(TRAINER_KEYS)} can be given, not {key}.{suggest(key, TRAINER_KEYS)}"
            )
        trainer[key.removeprefix("trainer.")] = yaml.safe_load(value)
    return {**config, "trainer": trainer}


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
    say: Announcer,
    *,
    teacher: Teacher | None = None,
    checkpoint: Path | None = None,
    is_new: bool = False,
) -> None:
    context = RunContext(folder, config, partial(make_evaluation, folder, config, data, say))
    followers = build_followers(config, context, say, first=["ema"])
    trainer = build_trainer(
        config, folder, followers, say, max_steps=module.total_updates, max_epochs=-1
    )
    batch_size = config["training"]["batch_size"]
    if batch_size % trainer.world_size:
        raise ConfigurationError(
            f"training.batch_size={batch_size} is the global batch; "
            f"it cannot be shared by {trainer.world_size} devices"
        )
    _check_later_parts(config, data, module, folder)
    if is_new and trainer.is_global_zero:
        RunFolder.create(folder.path, config)
    loader = TrainLoader(
        data.train(),
        batch_size=batch_size // trainer.world_size,
        num_batches=module.total_updates,
        seed=config["seed"],
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )

    def start() -> DiffusionModule:
        if teacher is not None:
            _evaluate_teacher(trainer, module, followers, TEACHER_STAGE)
        return module

    fit(trainer, start, loader, folder, say, checkpoint=checkpoint)


def _check_later_parts(
    config: Config, data: DataSource, module: DiffusionModule, folder: RunFolder
) -> None:
    """Build what a stage's end will build: a mistake is found now, not after hours of training."""
    drawers = Drawers(config, data.spec, guidance_sources(config, data.spec, folder))
    for is_guided in (False, True):
        drawers(module.denoiser, is_guided)
    if config["evaluation"]["name"] != "none":
        build_feature(config, data)
    module.make_optimizer(module.denoiser.parameters())


def _evaluate_teacher(
    trainer: Trainer, module: DiffusionModule, followers: Followers, stage: Stage
) -> None:
    """A given teacher is measured as if its stage had just ended."""
    place(trainer, module)
    for follower in followers:
        if isinstance(follower, ImageEvaluationCallback):
            follower.on_stage_end(trainer, module, stage)
