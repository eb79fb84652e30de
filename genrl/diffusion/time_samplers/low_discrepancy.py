"""Evenly spread times: one random offset for the whole batch.

t_i = (t_0 + i / B) mod 1,  t_0 ~ U[0, 1]

Each time is uniform by itself, and every interval [i/B, (i+1)/B) holds exactly one, so the batch's
mean loss varies far less. Kingma et al. 2021, appendix I.1.
"""

import torch

from genrl.diffusion.time_samplers.base import TimeSampler, time_samplers
from genrl.typing import Batch


@time_samplers.register("low_discrepancy")
class LowDiscrepancyTimeSampler(TimeSampler):
    """Uniform and evenly spread over the batch; lowers the variance of the loss.

    t_i = (t_0 + i / B) mod 1
    """

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        device = generator.device
        offset = torch.rand(1, generator=generator, device=device, dtype=torch.float64)
        spread = torch.arange(batch, device=device, dtype=torch.float64) / batch
        return ((offset + spread) % 1).float()
