"""The training distribution of Stable Diffusion 3: the logit of t is normal.

log(t / (1 - t)) ~ N(mean, std²)

Made for the schedule ``flow``, where the logit of t is -λ/2. Esser et al. 2024, section 3.1.
"""

import torch

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_samplers.base import TimeSampler, time_samplers
from genrl.typing import Batch


@time_samplers.register("logit_normal")
class LogitNormalTimeSampler(TimeSampler):
    """The logit of t is normal: effort goes to the middle of the path.

    t = sigmoid(n),  n ~ N(mean, std²)

    Args:
        mean: of the logit; above 0 prefers noise.
        std: of the logit, positive.

    Raises:
        ValueError: if ``std`` is not positive.
    """

    def __init__(self, schedule: NoiseSchedule, *, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(schedule)
        if std <= 0:
            raise ValueError(f"std must be positive, not {std}")
        self.mean = mean
        self.std = std

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch, generator=generator, device=generator.device)
        return torch.sigmoid(self.mean + self.std * noise)
