"""Independent uniform times, the default of continuous-time training."""

import torch

from genrl.diffusion.time_samplers.base import TimeSampler, time_samplers
from genrl.typing import Batch


@time_samplers.register("uniform")
class UniformTimeSampler(TimeSampler):
    """Independent and uniform.

    t ~ U[0, 1]
    """

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        return torch.rand(batch, generator=generator, device=generator.device)
