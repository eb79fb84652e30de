"""A time grid that is given point by point, such as one that ``genrl optimize`` found."""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("custom")
class CustomTimeGrid(TimeGrid):
    """The given times; for another number of steps, points equally far along the line through them.

    t_i = (1 - f) T_k + f T_{k+1},  k + f = i M / N for M given steps

    Args:
        times: T_0 > ... > T_M = 0, at most 1.

    Raises:
        ValueError: unless the times fall to 0 from at most 1.
    """

    def __init__(self, schedule: NoiseSchedule, *, times: tuple[float, ...] = (1.0, 0.0)) -> None:
        super().__init__(schedule)
        self.points = torch.tensor(tuple(times), dtype=torch.float64)
        falls = len(times) > 1 and bool((self.points[:-1].diff() < 0).all())
        if not falls or not 1 >= self.points[0] > 0 or self.points[-1] != 0 or times[-2] < 0:
            raise ValueError(f"times must fall from at most 1 to 0, not {list(times)}")

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        given = len(self.points) - 1
        place = torch.arange(steps + 1, dtype=torch.float64) * given / steps
        index = place.floor().long().clamp(max=given - 1)
        return torch.lerp(self.points[index], self.points[index + 1], place - index)
