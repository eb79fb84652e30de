"""The contract of a time grid: where a sampler evaluates the denoiser."""

import abc

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.registry import Registry

NOISE, DATA = -5.0, -2.5  # log-SNR below which there is noise alone, and above which shapes are set

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

    def objection(self) -> str | None:
        """Why this grid makes no sense on its schedule, with the way out; None where it does.

        `genrl verify` names the combination with this reason instead of measuring it.
        """
        try:
            times = self.times(64)
        except ValueError:
            return None
        with torch.no_grad():
            start, after = self.schedule.log_snr(times[:2]).tolist()
        if start < NOISE < DATA < after:
            return (
                f"the first of 64 steps leaps from log-SNR {start:.1f} to {after:.1f}, over all "
                "that decides what the data will be: take time_grid=log_snr"
            )
        return None

    def refines(self) -> bool:
        """Whether twice as many steps nearly halve the largest step in λ, as orders above 1 need.

        The last step is left out: it is a prediction. False for a grid without so many steps.
        """
        try:
            coarse, fine = (self._largest_step(steps) for steps in (128, 256))
        except ValueError:
            return False
        return coarse > 1.6 * fine

    @torch.no_grad()
    def _largest_step(self, steps: int) -> float:
        return self.schedule.log_snr(self.times(steps)[:-1]).diff().max().item()


def require_steps(steps: int) -> None:
    """Refuse an empty grid.

    Raises:
        ValueError: if ``steps < 1``.
    """
    if steps < 1:
        raise ValueError(f"a time grid needs at least 1 step, not {steps}")
