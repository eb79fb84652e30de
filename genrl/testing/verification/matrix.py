"""The rows of everything that is registered, plugins included, in every combination.

A sampler's row stands for all parameterizations: networks that are perfect in terms of each must
lead to the samples of exact predictions. Components are built from their defaults. A grid that has
the same times as one before it gets no rows of samplers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch

from genrl.diffusion.guidance.base import Guidance, guidances
from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.samplers.base import samplers
from genrl.diffusion.schedules.base import NoiseSchedule, schedules
from genrl.diffusion.thresholding.base import thresholdings
from genrl.diffusion.time_grids.base import TimeGrid, time_grids
from genrl.diffusion.time_samplers.base import time_samplers
from genrl.diffusion.weightings.base import weightings
from genrl.registry import Registry
from genrl.testing.diffusion.figures import Figures
from genrl.testing.diffusion.guidance import NUM_CLASSES, check_guidance, exact_sources
from genrl.testing.diffusion.oracle import Oracle
from genrl.testing.diffusion.parameterizations import check_parameterization
from genrl.testing.diffusion.parts import (
    check_thresholding,
    check_time_grid,
    check_time_sampler,
    check_weighting,
)
from genrl.testing.diffusion.samplers import check_sampler
from genrl.testing.diffusion.schedules import check_schedule
from genrl.testing.verification.row import Row, impossible, not_buildable, prove

T = TypeVar("T")
EVALUATIONS = (20, 40, 80)


def rows_of_matrix(only: Mapping[str, list[str]] | None = None) -> Iterator[Row]:
    """Prove every registered component and every combination of those that meet in a run.

    Args:
        only: kind -> names to look at, for the kinds that are not to be looked at whole.
    """
    matrix = _Matrix(only or {})
    for name in matrix.names(thresholdings):
        yield matrix.part(thresholdings, name, check_thresholding)[1]
    for name in matrix.names(schedules):
        built, row = matrix.part(schedules, name, check_schedule)
        yield row
        for schedule in built:
            yield from matrix.on_schedule(name, schedule)


def _none(_: object) -> str | None:
    return None


class _Matrix:
    """Walks over the registries.

    Args:
        only: names of the kinds that are not to be looked at whole.
    """

    def __init__(self, only: Mapping[str, list[str]]) -> None:
        self.only = only

    def names(self, registry: Registry[Any]) -> list[str]:
        """The names of a kind that are looked at."""
        return self.only.get(registry.kind, registry.names())

    def part(
        self,
        registry: Registry[T],
        name: str,
        check: Callable[..., Figures],
        *collaborators: Any,
        on: str = "",
        more: tuple[Any, ...] = (),
        objection: Callable[[T], str | None] = _none,
        parameters: Mapping[str, Any] | None = None,
    ) -> tuple[list[T], Row]:
        """A component with its defaults, and its row; no component where that is not green.

        Args:
            registry: of its kind.
            name: of the component.
            check: takes the component, then ``more``.
            collaborators: of the constructor.
            on: name of the schedule, where there is one.
            more: further arguments of the check.
            objection: the component's own, if it can have one.
            parameters: those that have no defaults.
        """
        subject = f"{name}, {on}" if on else name
        try:
            built = registry.build({"name": name, **(parameters or {})}, *collaborators)
            reason = objection(built)
        except Exception as error:
            return [], not_buildable(registry.kind, subject, error)
        if reason is not None:
            return [], impossible(registry.kind, subject, reason)
        row = prove(registry.kind, subject, check, built, *more)
        return ([built] if row.verdict == "green" else []), row

    def on_schedule(self, name: str, schedule: NoiseSchedule) -> Iterator[Row]:
        """Everything that meets a schedule."""
        for other in self.names(weightings):
            yield self.part(weightings, other, check_weighting, schedule, on=name)[1]
        for other in self.names(time_samplers):
            yield self.part(time_samplers, other, check_time_sampler, schedule, on=name)[1]
        for other in self.names(guidances):
            yield self.part(
                guidances,
                other,
                check_guidance,
                NUM_CLASSES,
                exact_sources(schedule),
                on=name,
                more=(schedule,),
                objection=Guidance.objection,
                parameters={
                    parameter.name: parameter.name
                    for parameter in guidances.parameters(other)
                    if parameter.default is ...
                },
            )[1]
        meanings: list[Parameterization] = []
        for other in self.names(parameterizations):
            built, row = self.part(
                parameterizations,
                other,
                check_parameterization,
                on=name,
                more=(schedule,),
                objection=lambda part: part.objection(schedule),
            )
            yield row
            meanings += built
        grids: list[str] = []
        kept: list[TimeGrid] = []
        for other in self.names(time_grids):
            found, row = self.part(
                time_grids, other, check_time_grid, schedule, on=name, objection=TimeGrid.objection
            )
            yield row
            # The same times by another name prove nothing more.
            is_new = all(not _same(grid, known) for grid in found for known in kept)
            grids += [other for _ in found if is_new]
            kept += found if is_new else []
        oracle = Oracle(schedule, meanings)
        for other in self.names(samplers):
            yield from _sampler_rows(other, name, grids, oracle)


def _same(first: TimeGrid, second: TimeGrid) -> bool:
    """Whether two grids agree, for numbers of steps that both have."""
    try:
        pairs = [(first.times(steps), second.times(steps)) for steps in (7, 64)]
    except ValueError:
        return False
    return all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in pairs)


def _sampler_rows(name: str, on: str, grids: list[str], oracle: Oracle) -> Iterator[Row]:
    """A sampler on the grid that it takes by itself and on every other one."""
    own = samplers.get(name).default_time_grid()
    choices: list[tuple[str, Mapping[str, Any] | str]] = [(grid, grid) for grid in grids]
    if not isinstance(own, str) or own not in grids:
        choices.insert(0, ("its own grid", own))
    for label, choice in choices:
        subject = f"{name} on {label}, {on}"
        try:
            grid = time_grids.build(choice, oracle.schedule)
            sampler = samplers.build(name, oracle.schedule, grid)
            reason = sampler.objection() or grid.objection()
        except Exception as error:
            yield not_buildable("sampler", subject, error)
            continue
        if reason is not None:
            yield impossible("sampler", subject, reason)
            continue
        yield prove(
            "sampler",
            subject,
            check_sampler,
            sampler,
            evaluations=EVALUATIONS,
            oracle=oracle,
        )
