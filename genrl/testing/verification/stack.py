"""The rows of one composed config: each part by itself, and the samplers on the whole stack."""

from collections.abc import Callable, Iterator
from typing import Any

from genrl.diffusion.building import LADDER_GRID
from genrl.diffusion.guidance.base import guidances
from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.schedules.base import NoiseSchedule, schedules
from genrl.diffusion.thresholding.base import thresholdings
from genrl.diffusion.time_grids.base import time_grids
from genrl.diffusion.time_samplers.base import time_samplers
from genrl.diffusion.weightings.base import weightings
from genrl.testing.diffusion.figures import Figures
from genrl.testing.diffusion.guidance import NUM_CLASSES, check_guidance, exact_sources
from genrl.testing.diffusion.parameterizations import check_parameterization
from genrl.testing.diffusion.parts import (
    check_thresholding,
    check_time_grid,
    check_time_sampler,
    check_weighting,
)
from genrl.testing.diffusion.samplers import check_sampler
from genrl.testing.diffusion.schedules import check_schedule
from genrl.testing.verification.row import Row, impossible, prove

Config = dict[str, Any]


def rows_of_stack(config: Config) -> Iterator[Row]:
    """Prove what a composed config chooses; parts that it does not have are left out.

    Args:
        config: plain, as `genrl.config.compose` gives it.

    Raises:
        ConfigurationError: if a part cannot be built.
    """

    def row(
        kind: str, objection: str | None, check: Callable[..., Figures], *arguments: Any
    ) -> Row:
        return _judged(kind, config[kind]["name"], objection, check, *arguments)

    schedule = schedules.build(config["schedule"])
    yield row("schedule", None, check_schedule, schedule)
    meaning = parameterizations.build(config["parameterization"])
    objection = meaning.objection(schedule)
    yield row("parameterization", objection, check_parameterization, meaning, schedule)
    if config.get("time_grid"):
        grid = time_grids.build(config["time_grid"], schedule)
        yield row("time_grid", grid.objection(), check_time_grid, grid)
    if config.get("weighting"):
        weighting = weightings.build(config["weighting"], schedule)
        yield row("weighting", None, check_weighting, weighting)
    if config.get("time_sampler"):
        times = time_samplers.build(config["time_sampler"], schedule)
        yield row("time_sampler", None, check_time_sampler, times)
    if config.get("guidance"):
        guidance = guidances.build(config["guidance"], NUM_CLASSES, exact_sources(schedule))
        yield row("guidance", guidance.objection(), check_guidance, guidance, schedule)
    if config.get("thresholding"):
        limit = thresholdings.build(config["thresholding"])
        yield row("thresholding", None, check_thresholding, limit)
    for key in ("sampler", "student_sampler"):
        if config.get(key):
            yield _sampler_row(config, key, schedule, meaning)


def _sampler_row(
    config: Config, key: str, schedule: NoiseSchedule, meaning: Parameterization
) -> Row:
    name = config[key]["name"]
    own = samplers.get(name).default_time_grid() if key == "sampler" else LADDER_GRID
    chosen = config.get("time_grid") or own
    sampler = samplers.build(config[key], schedule, time_grids.build(chosen, schedule))
    grid = chosen if isinstance(chosen, str) else chosen["name"]
    objection = sampler.objection() or sampler.time_grid.objection()
    return _judged(key, f"{name} on {grid}", objection, check_sampler, sampler, [meaning])


def _judged(
    kind: str,
    subject: str,
    objection: str | None,
    check: Callable[..., Figures],
    *arguments: Any,
) -> Row:
    """What a component objects to is measured all the same; its reason stands beside that."""
    row = prove(kind, subject, check, *arguments)
    return row if objection is None else impossible(kind, subject, objection, row.figures)
