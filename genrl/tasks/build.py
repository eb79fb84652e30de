"""From a plain config to the objects that it describes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from genrl.config import instantiate
from genrl.data import DataSource, data_sources
from genrl.diffusion import (
    ConditionalDenoise,
    Denoiser,
    NoiseSchedule,
    Objective,
    Parts,
    SampleDrawer,
    Sampler,
    Stage,
    building,
)
from genrl.diffusion.guidance import Sources, guidances
from genrl.diffusion.ladders import ladders
from genrl.diffusion.objectives import objectives
from genrl.diffusion.schedules import schedules
from genrl.diffusion.thresholding import thresholdings
from genrl.diffusion.time_grids import time_grids
from genrl.diffusion.time_samplers import time_samplers
from genrl.diffusion.weightings import weightings
from genrl.evaluation.features import Feature, features
from genrl.modules import DiffusionModule
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

Config = dict[str, Any]
MODEL_KEYS = ("network", "schedule", "parameterization")


def build_data(config: Config) -> DataSource:
    """The data source."""
    return data_sources.build(config["data"])


def build_feature(config: Config, data: DataSource) -> Feature:
    """The evaluation feature, not fitted yet; the data names one where the config does not."""
    return features.build(config["feature"] or {"name": data.default_feature}, data.spec)


def build_denoiser(config: Config, spec: DataSpec) -> Denoiser:
    """Network, schedule and parameterization; weights are a function of the seed."""
    torch.manual_seed(config["seed"])
    denoiser = building.build_denoiser(
        spec,
        network=config["network"],
        schedule=config["schedule"],
        parameterization=config["parameterization"],
    )
    if config["compile"]:
        denoiser.network.compile()
    return denoiser


def build_sampler(config: Config, schedule: NoiseSchedule, key: str = "sampler") -> Sampler:
    """The sampler under a key of the config.

    Where the config names no time grid, a teacher's is the sampler's own choice and a student's the
    ladder's.
    """
    grid = config["time_grid"] or (building.LADDER_GRID if key == "student_sampler" else None)
    return building.build_sampler(config[key], schedule, grid)


def build_stages(config: Config, *, has_teacher: bool) -> list[Stage]:
    """The stages of the run: the teacher, unless one is given, then the ladder.

    Raises:
        ConfigurationError: if a teacher is given and there is nothing to distil it into, or the
            first stage's objective needs one.
    """
    training = config["training"]
    teacher = Stage(
        "teacher",
        config.get("objective") or {"name": "denoising"},
        training["updates"],
        training["learning_rate"],
        use_ema=True,
    )
    name = teacher.objective["name"]
    if objectives.get(name).needs_teacher:
        raise ConfigurationError(
            f"objective={name} copies a teacher, and the first stage has none: give "
            "objective=denoising; distill=progressive adds the stages that copy"
        )
    stages = [] if has_teacher else [teacher]
    stages += ladders.build(config["distill"]).stages()
    if not stages:
        raise ConfigurationError(
            "teacher=... needs stages that distil it: give distill=progressive"
        )
    for stage in stages:
        if stage.updates < 1 or stage.learning_rate <= 0:
            raise ConfigurationError(
                f"the stage '{stage.name}' needs at least one update and a positive learning rate, "
                f"not {stage.updates} and {stage.learning_rate}"
            )
    return stages


def build_objectives(
    config: Config,
    stages: Iterable[Stage],
    schedule: NoiseSchedule,
    spec: DataSpec,
    sources: Sources | None = None,
) -> list[Objective]:
    """One objective for each stage; ``sources`` opens what guidance names by a path."""
    parts = Parts(
        schedule=schedule,
        weighting=weightings.build(config["weighting"], schedule),
        time_sampler=time_samplers.build(config["time_sampler"], schedule),
        time_grid=time_grids.build(config["time_grid"] or building.LADDER_GRID, schedule),
        guidance=guidances.build(config["guidance"], spec.num_classes, sources or Sources()),
        num_classes=spec.num_classes,
        num_levels=spec.num_levels,
    )
    return [objectives.build(stage.objective, parts) for stage in stages]


def build_module(
    config: Config,
    spec: DataSpec,
    stages: list[Stage],
    sources: Sources | None = None,
    say: Callable[[str], None] = print,
) -> DiffusionModule:
    """The LightningModule with fresh weights.

    Args:
        config: of the run.
        spec: of the data.
        stages: of the run.
        sources: opens what guidance names by a path.
        say: where the module's messages go.

    Raises:
        ConfigurationError: if the data has no labels for guided stages, or a number is refused.
    """
    if any(stage.is_guided for stage in stages) and not spec.num_classes:
        raise ConfigurationError(
            "guided distillation needs labelled data: a folder for each class; "
            "without labels give distill.use_guidance=false, or distill=none"
        )
    training = config["training"]
    for key, least in (
        ("batch_size", 1),
        ("log_every", 1),
        ("warmup_updates", 0),
        ("max_skipped", 0),
    ):
        if training[key] < least:
            raise ConfigurationError(
                f"training.{key} must be at least {least}, not {training[key]}"
            )
    if training["gradient_clip"] < 0:
        raise ConfigurationError(
            f"training.gradient_clip is a norm, 0 for none, not {training['gradient_clip']}"
        )
    denoiser = build_denoiser(config, spec)

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        rate = stages[0].learning_rate
        return instantiate(config["optimizer"], torch.optim.Optimizer, parameters, lr=rate)

    return DiffusionModule(
        denoiser,
        stages,
        build_objectives(config, stages, denoiser.schedule, spec, sources),
        make_optimizer,
        seed=config["seed"],
        warmup_updates=training["warmup_updates"],
        gradient_clip=training["gradient_clip"],
        max_skipped=training["max_skipped"],
        say=say,
    )


@dataclass(frozen=True)
class Drawers:
    """Makes the `SampleDrawer` of a stage.

    Args:
        config: of the run.
        spec: of the data.
        sources: opens what guidance names by a path.
    """

    config: Config
    spec: DataSpec
    sources: Sources = field(default_factory=Sources)

    def __call__(self, denoiser: ConditionalDenoise, is_guided: bool) -> SampleDrawer:
        """Teachers use the run's sampler and guidance, students the student sampler."""
        # A learned schedule is part of the denoiser.
        if isinstance(denoiser, Denoiser):
            schedule = denoiser.schedule
        else:
            schedule = schedules.build(self.config["schedule"])
        key = "student_sampler" if is_guided else "sampler"
        return SampleDrawer(
            denoiser,
            build_sampler(self.config, schedule, key),
            self.spec,
            guidance=guidances.build(self.config["guidance"], self.spec.num_classes, self.sources),
            thresholding=thresholdings.build(self.config["thresholding"]),
            is_guided=is_guided,
        )
