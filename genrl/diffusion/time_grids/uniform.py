"""Equal steps in time, the grid of progressive distillation: t_i = 1 - i / N."""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("uniform")
class UniformTimeGrid(TimeGrid):
    """Equal steps in t; the grid of 2 N steps contains that of N.

    t_i = 1 - i / N
    """

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        return torch.arange(steps, -1, -1, dtype=torch.float64) / steps
