"""Where samplers evaluate."""

import numpy as np
import pytest
import torch

from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LaplaceSchedule,
    LinearSchedule,
    NoiseSchedule,
    VdmLinearSchedule,
)
from genrl.diffusion.time_grids import (
    KarrasTimeGrid,
    LogSnrTimeGrid,
    QuadraticTimeGrid,
    TimeGrid,
    UniformTimeGrid,
    time_grids,
)

SCHEDULES: dict[str, NoiseSchedule] = {
    "cosine": CosineSchedule(),
    "edm": EdmSchedule(),
    "flow": FlowSchedule(),
    "linear": LinearSchedule(),
    "vdm_linear": VdmLinearSchedule(),
}


@pytest.fixture(params=SCHEDULES, name="schedule")
def _schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return SCHEDULES[request.param]


@pytest.mark.parametrize("steps", [1, 2, 3, 18, 256])
@pytest.mark.parametrize("name", time_grids.names())
def test_contract(name: str, schedule: NoiseSchedule, steps: int) -> None:
    times = time_grids.build(name, schedule).times(steps)
    assert times.shape == (steps + 1,)
    assert times.dtype == torch.float64
    assert times[0] == 1
    assert times[-1] == 0
    # The last evaluation may be at t = 0 itself: the step from there is the jump to x.
    assert (times[:-1].diff() < 0).all()
    assert times[-2] >= 0
    assert not times.requires_grad


@pytest.mark.parametrize("steps", [0, -3])
@pytest.mark.parametrize("name", time_grids.names())
def test_an_empty_grid_is_refused(name: str, steps: int) -> None:
    with pytest.raises(ValueError, match="at least 1 step"):
        time_grids.build(name, CosineSchedule()).times(steps)


def test_uniform_is_exact_and_nested() -> None:
    grid = UniformTimeGrid(CosineSchedule())
    assert grid.times(4).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    for steps in (3, 7, 10, 512):
        expected = 1 - torch.arange(steps + 1, dtype=torch.float64) / steps
        torch.testing.assert_close(grid.times(steps), expected, rtol=0, atol=1e-15)
        assert torch.equal(grid.times(2 * steps)[::2], grid.times(steps))


def test_quadratic() -> None:
    assert QuadraticTimeGrid(CosineSchedule()).times(4).tolist() == [1, 0.5625, 0.25, 0.0625, 0]


def test_log_snr_is_evenly_spaced(schedule: NoiseSchedule) -> None:
    times = LogSnrTimeGrid(schedule).times(20)
    ends = schedule.log_snr(torch.tensor([1.0, 0.0], dtype=torch.float64)).tolist()
    expected = torch.linspace(*ends, 20, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(times[:-1]), expected, rtol=0, atol=1e-9)
    assert times[-2] == times[-1] == 0


def paper(steps: int, low: float, high: float, rho: float = 7.0) -> np.ndarray:
    """Equation 5 of Karras et al. 2022."""
    i = np.arange(steps)
    root = high ** (1 / rho) + i / (steps - 1) * (low ** (1 / rho) - high ** (1 / rho))
    return np.asarray(root**rho)


def test_karras_is_the_grid_of_the_paper() -> None:
    schedule = EdmSchedule()
    times = KarrasTimeGrid(schedule).times(18)
    np.testing.assert_allclose(schedule.level(times).sigma[:-1], paper(18, 0.002, 80), rtol=1e-11)
    np.testing.assert_allclose(times[:-1], 1 - np.arange(18) / 17, atol=1e-14)
    assert times[-2] == times[-1] == 0


@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_karras_holds_in_sigma_over_alpha_for_every_schedule(
    schedule: NoiseSchedule, rho: float
) -> None:
    level = schedule.level(KarrasTimeGrid(schedule, rho=rho).times(12))
    sigma = (level.sigma / level.alpha)[:-1].numpy()
    # With ρ = 1 the paper's formula itself loses eight digits between 22026 and 4.5e-5.
    expected = paper(12, sigma[-1], sigma[0], rho)
    np.testing.assert_allclose(sigma, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["cosine", "flow"])
def test_karras_can_be_restricted(name: str) -> None:
    schedule = SCHEDULES[name]
    times = KarrasTimeGrid(schedule, sigma_min=0.002, sigma_max=80.0).times(10)
    level = schedule.level(times)
    sigma = (level.sigma / level.alpha)[:-1].numpy()
    np.testing.assert_allclose(sigma, paper(10, 0.002, 80), rtol=1e-9)
    assert 0 < times[-2] < times[0] < 1
    assert times[-1] == 0


def test_a_restriction_beyond_the_schedule_is_its_end() -> None:
    schedule = EdmSchedule(sigma_min=0.01, sigma_max=10.0)
    wide = KarrasTimeGrid(schedule, sigma_min=0.001, sigma_max=100.0).times(6)
    torch.testing.assert_close(wide, KarrasTimeGrid(schedule).times(6), rtol=0, atol=1e-12)


def test_one_karras_step_starts_at_the_top() -> None:
    assert KarrasTimeGrid(EdmSchedule()).times(1).tolist() == [1, 0]
    times = KarrasTimeGrid(CosineSchedule(), sigma_max=80.0).times(1)
    level = CosineSchedule().level(times)
    assert (level.sigma / level.alpha)[0].item() == pytest.approx(80, rel=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rho": 0.0}, "rho must be positive"),
        ({"sigma_min": -1.0}, "sigma_min must be positive"),
        ({"sigma_max": 0.0}, "sigma_max must be positive"),
        ({"sigma_min": 5.0, "sigma_max": 5.0}, r"sigma_min \(5\) must be below sigma_max \(5\)"),
        ({"sigma_min": 90.0}, "the schedule reaches from 0.002 to 80"),
    ],
)
def test_impossible_ranges_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KarrasTimeGrid(EdmSchedule(), **wrong)


def test_log_snr_between_limits() -> None:
    schedule = CosineSchedule()
    times = LogSnrTimeGrid(schedule, log_snr_min=-10.0, log_snr_max=12.0).times(12)
    log_snr = schedule.log_snr(times)[:-1]
    expected = torch.arange(-10, 13, 2, dtype=torch.float64)
    torch.testing.assert_close(log_snr, expected, rtol=0, atol=1e-9)
    assert times[-1] == 0


def test_log_snr_limits_beyond_the_schedule_are_its_ends() -> None:
    schedule = VdmLinearSchedule()
    times = LogSnrTimeGrid(schedule, log_snr_min=-30.0, log_snr_max=30.0).times(7)
    torch.testing.assert_close(times, LogSnrTimeGrid(schedule).times(7), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="must be below"):
        LogSnrTimeGrid(schedule, log_snr_min=5.0, log_snr_max=-2.0)


REFINES = {
    "uniform": {"edm", "vdm_linear"},
    "quadratic": {"edm", "linear", "vdm_linear"},
    "log_snr": set(SCHEDULES),
    "karras": set(SCHEDULES),
}


@pytest.mark.parametrize("name", REFINES)
def test_steps_that_shrink_in_log_snr(name: str) -> None:
    """On cosine and flow a uniform grid begins and ends with steps that halving leaves as long."""
    found = {
        key for key, schedule in SCHEDULES.items() if time_grids.build(name, schedule).refines()
    }
    assert found == REFINES[name]


def test_a_grid_of_few_steps_does_not_refine() -> None:
    class FixedTimeGrid(TimeGrid):
        def times(self, steps: int) -> torch.Tensor:
            if steps != 2:
                raise ValueError("2 steps only")
            return torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)

    assert not FixedTimeGrid(CosineSchedule()).refines()


def test_a_first_step_over_everything_is_objected_to() -> None:
    objection = UniformTimeGrid(LaplaceSchedule()).objection()
    assert objection is not None
    assert "leaps from log-SNR -8.0 to -1.7" in objection
    assert LogSnrTimeGrid(LaplaceSchedule()).objection() is None
    assert all(UniformTimeGrid(schedule).objection() is None for schedule in SCHEDULES.values())
