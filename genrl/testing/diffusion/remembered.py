"""A schedule that computes each level once, for samplers that go down the same grids."""

from torch import Tensor

from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.typing import Batch, Data


class RememberedSchedule(NoiseSchedule):
    """Another schedule, whose levels are kept where the examples of a batch share their time.

    Args:
        schedule: which answers what is not known yet.
    """

    def __init__(self, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.schedule = schedule
        self._known: dict[tuple[float, int], NoiseLevel] = {}

    def log_snr(self, t: Tensor) -> Tensor:
        return self.schedule.log_snr(t)

    def time(self, log_snr: Tensor) -> Tensor:
        return self.schedule.time(log_snr)

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return self.schedule.log_alpha(log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return self.schedule.log_sigma(log_snr)

    def level_like(self, t: Batch, data: Data) -> NoiseLevel:
        """One level for all, of size 1, where ``t`` is one number that was expanded."""
        if t.stride() != (0,):
            return self.schedule.level_like(t, data)
        key = t[0].item(), data.ndim
        if key not in self._known:
            self._known[key] = self.schedule.level_like(t[:1], data)
        return self._known[key]
