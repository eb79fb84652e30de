"""Distributions of the training times."""

import math
from typing import Any

import pytest
import scipy.stats
import torch

from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    NoiseSchedule,
    VdmLinearSchedule,
)
from genrl.diffusion.time_samplers import (
    LogitNormalTimeSampler,
    LognormalTimeSampler,
    LowDiscrepancyTimeSampler,
    UniformTimeSampler,
    time_samplers,
)

NUM = 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def p_value(values: torch.Tensor, distribution: Any) -> float:
    # Not by name and args: scipy 1.18 hands those to a standard normal that takes none.
    return float(scipy.stats.kstest(values.double().numpy(), distribution.cdf).pvalue)


@pytest.mark.parametrize("name", time_samplers.names())
def test_contract(name: str) -> None:
    """float32 in [0, 1], from the given generator alone."""
    sampler = time_samplers.build(name, FlowSchedule())
    state = torch.get_rng_state()
    first, again, other = (sampler.sample(257, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (257,)
    assert first.dtype == torch.float32
    assert ((first >= 0) & (first <= 1)).all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_uniform() -> None:
    times = UniformTimeSampler(CosineSchedule()).sample(NUM, seeded())
    assert p_value(times, scipy.stats.uniform) > 0.01
    correlation = torch.corrcoef(torch.stack([times[1:], times[:-1]]))[0, 1].item()
    assert abs(correlation) < 4 / math.sqrt(NUM)


def test_low_discrepancy_has_one_time_in_every_interval() -> None:
    sampler = LowDiscrepancyTimeSampler(CosineSchedule())
    for batch in (1, 7, 64, 1000):
        times = sampler.sample(batch, seeded(batch)).double().sort().values
        gaps = torch.cat([times, times[:1] + 1]).diff()
        torch.testing.assert_close(gaps, torch.full_like(gaps, 1 / batch), rtol=0, atol=1.2e-7)
        bins = (times * batch).floor().long()
        assert torch.equal(bins, torch.arange(batch))


def test_each_low_discrepancy_time_is_uniform() -> None:
    sampler, generator = LowDiscrepancyTimeSampler(CosineSchedule()), seeded()
    fifth = torch.stack([sampler.sample(8, generator)[5] for _ in range(4000)])
    assert p_value(fifth, scipy.stats.uniform) > 0.01


@pytest.mark.parametrize(
    "schedule", [EdmSchedule(), CosineSchedule(), FlowSchedule(), VdmLinearSchedule()]
)
@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (0.4, 0.5)])
def test_lognormal_is_normal_in_log_sigma(schedule: NoiseSchedule, mean: float, std: float) -> None:
    times = LognormalTimeSampler(schedule, mean=mean, std=std).sample(NUM, seeded())
    log_sigma = -schedule.log_snr(times.double()) / 2
    assert p_value(log_sigma, scipy.stats.norm(mean, std)) > 0.01


def test_lognormal_levels_beyond_the_schedule_are_its_ends() -> None:
    """A schedule whose σ̃ ends one standard deviation from the mean gets 15.87 % on either side."""
    schedule = EdmSchedule(sigma_min=math.exp(-2.4), sigma_max=1.0)
    times = LognormalTimeSampler(schedule).sample(NUM, seeded())
    tail = float(scipy.stats.norm.cdf(-1))
    margin = 4 * math.sqrt(tail * (1 - tail) / NUM)
    assert (times == 0).double().mean().item() == pytest.approx(tail, abs=margin)
    assert (times == 1).double().mean().item() == pytest.approx(tail, abs=margin)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-0.8, 1.6)])
def test_logit_normal(mean: float, std: float) -> None:
    sampler = LogitNormalTimeSampler(FlowSchedule(), mean=mean, std=std)
    times = sampler.sample(NUM, seeded())
    assert p_value(times.double().logit(), scipy.stats.norm(mean, std)) > 0.01


@pytest.mark.parametrize("sampler", [LogitNormalTimeSampler, LognormalTimeSampler])
def test_a_std_of_zero_is_refused(
    sampler: type[LogitNormalTimeSampler] | type[LognormalTimeSampler],
) -> None:
    with pytest.raises(ValueError, match="std must be positive"):
        sampler(FlowSchedule(), std=0.0)
