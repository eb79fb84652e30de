"""A fresh denoiser from the names of its parts, for whoever makes several or makes one by himself:
tasks, imitation losses, policies."""

from collections.abc import Mapping
from typing import Any

from genrl.diffusion.denoiser import Denoiser
from genrl.diffusion.parameterizations.base import parameterizations
from genrl.diffusion.schedules.base import schedules
from genrl.networks.base import networks
from genrl.typing import DataSpec

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
