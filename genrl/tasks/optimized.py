"""The files that ``genrl optimize`` leaves in ``RUN/optimized``, and samplers made of them.

Plain JSON. ``times`` hold a time grid for the run's own sampler; ``of_x``, ``of_z`` and ``std`` the
coefficients of a generalized sampler.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genrl.diffusion import CustomTimeGrid, GgdmSampler, Sampler
from genrl.diffusion.ggdm import GgdmCoefficients
from genrl.files import existing, write_text
from genrl.registry import ConfigurationError
from genrl.run_folder import RunFolder


@dataclass(frozen=True)
class Optimized:
    """A grid or a sampler that was found for a stage.

    Args:
        kind: ``grid`` or ``sampler``.
        method: that found it.
        stage: for which.
        steps: network evaluations.
        values: of the grid or the sampler, by name.
    """

    kind: str
    method: str
    stage: str
    steps: int
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its file, without ending."""
        return f"{self.method}_{self.steps}"

    def write(self, folder: RunFolder) -> Path:
        """Into the run's folder; returns the path."""
        path = folder.path / "optimized" / f"{self.name}.json"
        about = {"kind": self.kind, "method": self.method, "stage": self.stage, "steps": self.steps}
        write_text(path, json.dumps({**about, **self.values}, indent=1) + "\n")
        return path

    def sampler(self, own: Sampler) -> Sampler:
        """The stage's own sampler on this grid, or this sampler.

        Raises:
            ConfigurationError: if the numbers are none of a grid's or a sampler's.
        """
        try:
            if self.kind == "grid":
                times = tuple(map(float, self.values["times"]))
                own.time_grid = CustomTimeGrid(own.schedule, times=times)
                own.steps = self.steps
                return own
            return GgdmSampler(own.schedule, own.time_grid, self.coefficients(), steps=self.steps)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"the {self.kind} '{self.name}' is damaged: {error}"
            ) from error

    def coefficients(self) -> GgdmCoefficients:
        """Those of a sampler."""
        of_x, of_z, std = (
            torch.tensor(self.values[name], dtype=torch.float64) for name in ("of_x", "of_z", "std")
        )
        return GgdmCoefficients(of_x, of_z.reshape(len(of_x), len(of_x)), std)


def read_optimized(path: Path) -> Optimized:
    """Read a file and check it.

    Raises:
        ConfigurationError: if it is missing, no such file, or damaged.
    """
    existing(path, "file of genrl optimize")
    try:
        content = json.loads(path.read_text())
        about = {key: content.pop(key) for key in ("kind", "method", "stage", "steps")}
        found = Optimized(**about, values=content)
        if found.kind == "grid":
            is_whole = len(content["times"]) == found.steps + 1
        else:
            is_whole = found.coefficients().of_z.shape == (found.steps - 1, found.steps - 1)
    except (
        ValueError, KeyError, TypeError, AttributeError, OSError, RuntimeError, OverflowError
    ) as error:  # fmt: skip
        raise ConfigurationError(
            f"{path} is no file of genrl optimize ({type(error).__name__})"
        ) from error
    if not is_whole:
        raise ConfigurationError(f"{path} is damaged: it does not hold {found.steps} steps")
    return found


def chosen_file(
    grid: str | None,
    stage: str | None,
    components: Mapping[str, Any],
    steps: int | None = None,
) -> Optimized | None:
    """What the option ``grid=FILE`` of a command asks for, or None.

    Raises:
        ConfigurationError: if the file is not right, or it was found for another stage or number of
            steps than the other options name, or they name another grid, or another sampler than
            the file's.
    """
    if grid is None:
        return None
    found = read_optimized(Path(grid))
    if stage is not None and stage != found.stage:
        raise ConfigurationError(
            f"{grid} was found for the stage '{found.stage}', not for '{stage}': leave out stage="
        )
    if steps is not None and steps != found.steps:
        raise ConfigurationError(
            f"{grid} is for {found.steps} steps, not for {steps}: leave out steps="
        )
    for kind in ("time_grid",) if found.kind == "grid" else ("time_grid", "sampler"):
        if kind in components:
            raise ConfigurationError(f"{grid} brings its own {kind}: leave out {kind}=")
    return found
