"""A clock gives the levels of each time by itself, and only where its own tensors are asked for."""

import pytest
import torch

from genrl.diffusion.schedules import CosineSchedule, LearnedSchedule, NoiseSchedule, schedules
from genrl.diffusion.schedules.base import running
from genrl.diffusion.schedules.clock import Clock, twice

TIMES = torch.linspace(1, 0.01, 23, dtype=torch.float64)


def check(schedule: NoiseSchedule, t: torch.Tensor, data: torch.Tensor, clock: Clock) -> None:
    """The same to the last bit, but for that of float64, in which schedules compute."""
    alone = schedule.level_like(t, data)
    with clock.running():
        together = schedule.level_like(t, data)
    tolerance = 1e-14 if data.dtype == torch.float64 else 0.0
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", schedules.names())
@torch.no_grad()
def test_levels_are_those_of_each_time_by_itself(name: str, dtype: torch.dtype) -> None:
    schedule, data = schedules.build(name), torch.zeros(3, 2, 5, dtype=dtype)
    clock = Clock(TIMES, data)
    for t in clock:
        check(schedule, t, data, clock)


@torch.no_grad()
def test_computes_once_for_each_schedule() -> None:
    """Two models of one run, such as a student and its guide, may have different schedules."""
    calls = []

    class Counted(CosineSchedule):
        def log_snr(self, t: torch.Tensor) -> torch.Tensor:
            calls.append(t.shape)
            return super().log_snr(t)

    data = torch.zeros(2, 3)
    clock, first, second = Clock(TIMES, data), Counted(), Counted(log_snr_max=9.0)
    with clock.running():
        for t in clock:
            assert first.level_like(t, data).alpha.shape == (2, 1)
            second.level_like(t, data)
    assert calls == [TIMES.shape, TIMES.shape]
    check(second, clock[-1], data, clock)


@torch.no_grad()
def test_other_times_are_computed() -> None:
    """A copy of a time, two of them in a row, an entry of another clock."""
    schedule, data = CosineSchedule(), torch.zeros(2, 3)
    clock, other = Clock(TIMES, data), Clock(TIMES.flip(0), data)
    check(schedule, torch.cat([clock[4], clock[4]]), torch.zeros(4, 3), clock)
    for t in (clock[4].clone(), other[4], other[0]):
        check(schedule, t, data, clock)


@torch.no_grad()
def test_a_time_for_two_batches_is_known_and_another_is_not() -> None:
    calls = []

    class Counted(CosineSchedule):
        def log_snr(self, t: torch.Tensor) -> torch.Tensor:
            calls.append(t.shape)
            return super().log_snr(t)

    schedule, data = Counted(), torch.zeros(3, 2, 2)
    clock, both = Clock(TIMES, data), torch.zeros(6, 2, 2)
    with clock.running():
        for t in clock:
            pair = twice(t)
            assert torch.equal(pair, torch.cat([t, t]))
            level = schedule.level_like(pair, both)
            assert level.log_snr.shape == (6,)
            assert level.alpha.shape == level.sigma.shape == (6, 1, 1)
    assert calls == [TIMES.shape]
    check(schedule, pair, both, clock)
    other = torch.rand(3)
    assert torch.equal(twice(other), torch.cat([other, other]))
    with clock.running():
        assert torch.equal(twice(other), torch.cat([other, other]))


def test_a_learned_schedule_keeps_its_gradient() -> None:
    schedule, data = LearnedSchedule().requires_grad_(), torch.zeros(2, 3)
    clock = Clock(TIMES, data)
    with clock.running():
        with torch.no_grad():
            assert not schedule.level_like(clock[5], data).sigma.requires_grad
        schedule.level_like(clock[5], data).sigma.sum().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in schedule.parameters())


def test_runs_only_inside_and_may_be_nested() -> None:
    outer, inner = Clock(TIMES, torch.zeros(1)), Clock(TIMES, torch.zeros(1))

    def fail() -> None:
        with inner.running():
            assert running.get() is inner
            raise KeyError

    with outer.running():
        with pytest.raises(KeyError):
            fail()
        assert running.get() is outer
    assert running.get() is None


@torch.no_grad()
def test_compiled_code_computes_its_levels() -> None:
    schedule, data = CosineSchedule(), torch.zeros(2, 3)
    clock = Clock(TIMES, data)
    compiled = torch.compile(schedule.level_like, backend="eager", fullgraph=True)
    with clock.running():
        level = compiled(clock[3], data)
    assert torch.equal(level.alpha, schedule.level_like(clock[3], data).alpha)
