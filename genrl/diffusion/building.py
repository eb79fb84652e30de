"""A denoiser or a sampler from the names of its parts, for whoever makes several or makes one by
himself: tasks, imitation losses, policies."""

import warnings
from collections.abc import Mapping
from typing import Any

from genrl.diffusion.denoiser import Denoiser
from genrl.diffusion.parameterizations.base import parameterizations
from genrl.diffusion.samplers.base import Sampler, samplers
from genrl.diffusion.schedules.base import NoiseSchedule, schedules
from genrl.diffusion.time_grids.base import time_grids
from genrl.networks.base import networks
from genrl.typing import DataSpec

LADDER_GRID = "uniform"  # where none is chosen; the grid of 2 N steps contains that of N

Choice = Mapping[str, Any] | str  # a name, or a mapping with name and parameters


def build_denoiser(
    spec: DataSpec, *, network: Choice, schedule: Choice, parameterization: Choice
) -> Denoiser:
    """Network, schedule and parameterization joined; weights from torch's global generator.

    Args:
        spec: of the data.
        network: as `Registry.build` takes it, like the others.
        schedule: of the noise.
        parameterization: what the network's output means.

    Raises:
        ConfigurationError: on an unknown name or parameter.
    """
    meaning = parameterizations.build(parameterization)
    return Denoiser(
        networks.build(network, spec, meaning.num_outputs), schedules.build(schedule), meaning
    )


def build_sampler(
    sampler: Choice, schedule: NoiseSchedule, time_grid: Choice | None = None
) -> Sampler:
    """A sampler on a time grid; warns where the sampler objects to the combination.

    Args:
        sampler: as `Registry.build` takes it.
        schedule: of the noise.
        time_grid: likewise; None is the sampler's own choice.

    Raises:
        ConfigurationError: on an unknown name or parameter.
    """
    if time_grid is None:
        name = sampler if isinstance(sampler, str) else sampler["name"]
        time_grid = samplers.get(name).default_time_grid()
    built = samplers.build(sampler, schedule, time_grids.build(time_grid, schedule))
    reason = built.objection()
    if reason is not None:
        warnings.warn(f"sampler '{samplers.name_of(type(built))}': {reason}", stacklevel=2)
    return built
