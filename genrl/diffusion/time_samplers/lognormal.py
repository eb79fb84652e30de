"""EDM's training distribution: the noise level is log-normal.

log σ̃ ~ N(mean, std²),  σ̃ = e^{-λ/2}

It is stated in σ̃ and carried to t through the schedule; levels beyond its ends become the ends.
Karras et al. 2022, table 1.
"""

import torch

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_samplers.base import TimeSampler, time_samplers
from genrl.typing import Batch


@time_samplers.register("lognormal")
class LognormalTimeSampler(TimeSampler):
    """log σ̃ is normal, where σ̃ = σ / α: effort goes to the middle noise levels.

    t = time(-2 log σ̃),  log σ̃ ~ N(mean, std²)

    Args:
        mean: of log σ̃.
        std: of log σ̃, positive.

    Raises:
        ValueError: if ``std`` is not positive.
    """

    def __init__(self, schedule: NoiseSchedule, *, mean: float = -1.2, std: float = 1.2) -> None:
        super().__init__(schedule)
        if std <= 0:
            raise ValueError(f"std must be positive, not {std}")
        self.mean = mean
        self.std = std

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        device = generator.device
        noise = torch.randn(batch, generator=generator, device=device, dtype=torch.float64)
        return self.schedule.time(-2 * (self.mean + self.std * noise)).float()
