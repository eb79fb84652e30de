"""Steps that shrink toward the data: t_i = (1 - i / N)².

The quadratic sub-sequence of Song et al. 2021 (DDIM), appendix D.2, in continuous time.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("quadratic")
class QuadraticTimeGrid(TimeGrid):
    """Steps that shrink linearly toward t = 0.

    t_i = (1 - i / N)²
    """

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        return (torch.arange(steps, -1, -1, dtype=torch.float64) / steps).square()
