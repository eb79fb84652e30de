"""The contract of a time grid: where a sampler evaluates the denoiser."""

import abc

from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.registry import Registry

time_grids: Registry["TimeGrid"] = Registry("time_grid")


class TimeGrid(abc.ABC):
    """Times t_0 > t_1 > ... >= t_N = 0; the denoiser is evaluated at t_0 ... t_{N-1}."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule

    @abc.abstractmethod
    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        """The grid of ``steps`` steps in float64; its last entry is 0.

        Raises:
            ValueError: if ``steps < 1``.
        """


def require_steps(steps: int) -> None:
    """Refuse an empty grid.

    Raises:
        ValueError: if ``steps < 1``.
    """
    if steps < 1:
        raise ValueError(f"a time grid needs at least 1 step, not {steps}")
