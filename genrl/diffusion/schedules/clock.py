"""The times of a sampler's run, whose noise levels are computed together.

λ, α and σ of one time are some twenty operations on a handful of numbers: for small data more than
the rest of a step. A sampler knows its times beforehand, and for all of them at once the operations
are the same twenty. While a clock is running, `NoiseSchedule.level_like` takes the levels of its
times from here; it knows a time by being the very tensor that the clock handed out. Every other
time is computed as always, to the same last bit. Guidance asks for a time in two batches at once:
`twice` hands out such times, which the clock knows too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule, running
from genrl.typing import Batch, Data


def twice(t: Batch) -> Batch:
    """t for two batches, one after the other; a running clock knows its levels."""
    clock = running.get()
    known = None if clock is None else clock.pair(t)
    return torch.cat([t, t]) if known is None else known


class Clock(Sequence[Batch]):
    """Times for a batch: entry i is ``times[i]`` for each example.

    Args:
        times: in float64, on the CPU.
        z: whose device the entries are on; they are float32 unless z is float64.
    """

    def __init__(self, times: Float64[Tensor, " times"], z: Data) -> None:
        dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
        self._times = times.to(device=z.device, dtype=dtype)
        self._entries = self._times[:, None].expand(-1, len(z)).unbind()
        self._index = {id(entry): index for index, entry in enumerate(self._entries)}
        self._levels: dict[tuple[NoiseSchedule, torch.dtype, int], list[NoiseLevel]] = {}
        self._pairs: Clock | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        return self._entries[index]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, schedules take the levels of these times from the clock."""
        before = running.set(self)
        try:
            yield
        finally:
            running.reset(before)

    def level(self, schedule: NoiseSchedule, t: Batch, data: Data) -> NoiseLevel | None:
        """What `NoiseSchedule.level_like` gives, or None if t is no entry of this clock.

        None too where gradients are recorded: a learned schedule may be asked for its own.
        """
        index = self._index.get(id(t))
        if index is None and self._pairs is not None:
            return self._pairs.level(schedule, t, data)
        if index is None or torch.is_grad_enabled():
            return None
        key = (schedule, data.dtype, data.ndim)
        levels = self._levels.get(key)
        if levels is None:
            levels = self._levels[key] = self._all_levels(*key)
        return levels[index]

    def pair(self, t: Batch) -> Batch | None:
        """t for two batches, one after the other, or None if t is no entry of this clock."""
        index = self._index.get(id(t))
        if index is None:
            return None
        if self._pairs is None:
            self._pairs = Clock(self._times.double().cpu(), t.new_empty(2 * len(t)))
        return self._pairs[index]

    def _all_levels(
        self, schedule: NoiseSchedule, dtype: torch.dtype, ndim: int
    ) -> list[NoiseLevel]:
        level = schedule.level(self._times)
        batch = (len(self), *self._entries[0].shape)
        log_snr, alpha, sigma = (value.to(dtype)[:, None].expand(batch) for value in level)
        shape = (*batch, *(1,) * (ndim - 1))
        columns = (log_snr, alpha.reshape(shape), sigma.reshape(shape))
        rows = zip(*(column.unbind() for column in columns), strict=True)
        return [NoiseLevel(*row) for row in rows]
