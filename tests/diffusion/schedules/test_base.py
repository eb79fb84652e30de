"""What every schedule promises, for every registered one and for other ends than the defaults."""

import math

import pytest
import torch

from genrl.diffusion.schedules import (
    CosineSchedule,
    EdmSchedule,
    FlowSchedule,
    LaplaceSchedule,
    LearnedSchedule,
    LinearSchedule,
    NoiseSchedule,
    ScaledLinearSchedule,
    ShiftedCosineSchedule,
    SigmoidSchedule,
    TableSchedule,
    VdmLinearSchedule,
    ZeroSnrSchedule,
    schedules,
)


def crooked() -> LearnedSchedule:
    """A learned schedule that training has bent."""
    schedule = LearnedSchedule(log_snr_min=-7.0, log_snr_max=9.0, features=16)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in schedule.named_parameters():
        if name not in ("highest", "log_span"):
            parameter += torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return schedule


VARIANTS = {
    "cosine": CosineSchedule(),
    "cosine short": CosineSchedule(log_snr_min=-5.0, log_snr_max=9.0),
    "edm": EdmSchedule(),
    "edm rho 1": EdmSchedule(sigma_min=0.01, sigma_max=10.0, rho=1.0),
    "flow": FlowSchedule(),
    "flow short": FlowSchedule(log_snr_min=-9.0, log_snr_max=12.0),
    "learned": LearnedSchedule(),
    "learned crooked": crooked(),
    "linear": LinearSchedule(),
    "linear short": LinearSchedule(num_timesteps=7, beta_start=0.01, beta_end=0.6),
    "table": TableSchedule(),
    "table of three": TableSchedule(log_snrs=(8.0, 1.5, -4.0)),
    "vdm_linear": VdmLinearSchedule(),
    "laplace": LaplaceSchedule(),
    "laplace wide": LaplaceSchedule(mean=-1.0, scale=1.0, log_snr_min=-15.0, log_snr_max=12.0),
    "scaled_linear": ScaledLinearSchedule(),
    "shifted_cosine": ShiftedCosineSchedule(),
    "sigmoid": SigmoidSchedule(),
    "sigmoid steep": SigmoidSchedule(start=0.0, end=3.0, tau=0.7, log_snr_min=-9.0),
    "zero_snr": ZeroSnrSchedule(),
    "zero_snr of cosine": ZeroSnrSchedule(of="cosine", log_snr_min=-15.0),
}
# The signal that is left after the seven steps of "linear short", multiplied out.
SHORT_SIGNAL = math.prod(1 - 0.01 - i * 0.59 / 6 for i in range(7))
SHORT_END = math.log(SHORT_SIGNAL / (1 - SHORT_SIGNAL))
SCALED_ROOTS = [math.sqrt(0.00085), math.sqrt(0.012)]
SCALED_SIGNAL = math.prod(
    1 - (SCALED_ROOTS[0] * (1 - i / 999) + SCALED_ROOTS[1] * i / 999) ** 2 for i in range(1000)
)
SCALED_END = math.log(SCALED_SIGNAL / (1 - SCALED_SIGNAL))
SNR_ENDS = {
    "cosine": (20.0, -20.0),
    "cosine short": (9.0, -5.0),
    "edm": (12.429216196844383, -8.764053269347762),
    "edm rho 1": (9.210340371976182, -4.605170185988092),
    "flow": (20.0, -20.0),
    "flow short": (12.0, -9.0),
    "learned": (13.3, -5.0),
    "learned crooked": (9.0, -7.0),
    "linear": (9.210240366975848, -10.117673183301031),
    "linear short": (math.log(0.99 / 0.01), SHORT_END),
    "table": (9.210240366975848, -10.117673183301031),
    "table of three": (8.0, -4.0),
    "vdm_linear": (13.3, -5.0),
    "laplace": (8.0, -8.0),
    "laplace wide": (12.0, -15.0),
    "scaled_linear": (math.log((1 - 0.00085) / 0.00085), SCALED_END),
    "shifted_cosine": (20.0 - 2 * math.log(2), -20.0 - 2 * math.log(2)),
    "sigmoid": (14.0, -14.0),
    "sigmoid steep": (14.0, -9.0),
    "zero_snr": (math.log((1 - 0.00085) / 0.00085), -20.0),
    "zero_snr of cosine": (20.0, -15.0),
}


@pytest.fixture(params=VARIANTS, name="variant")
def _variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="schedule")
def _schedule(variant: str) -> NoiseSchedule:
    return VARIANTS[variant]


def inner_times(schedule: NoiseSchedule, num: int = 401) -> torch.Tensor:
    """Times inside (0, 1) where the schedule is not clamped; 0.012 is where "flow short" ends."""
    margin = 0.012 if isinstance(schedule, FlowSchedule) else 1e-3
    return torch.linspace(margin, 1 - margin, num, dtype=torch.float64)


def test_every_registered_schedule_is_tested() -> None:
    assert {type(schedule) for schedule in VARIANTS.values()} == {
        schedules.get(name) for name in schedules.names()
    }


def test_ends(schedule: NoiseSchedule, variant: str) -> None:
    ends = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert ends.tolist() == pytest.approx(SNR_ENDS[variant], abs=1e-9)


def test_log_snr_falls(schedule: NoiseSchedule) -> None:
    times = torch.cat([torch.zeros(1).double(), inner_times(schedule), torch.ones(1).double()])
    assert (schedule.log_snr(times).diff() < 0).all()


def test_time_inverts_log_snr(schedule: NoiseSchedule) -> None:
    times = torch.cat([torch.zeros(1).double(), inner_times(schedule), torch.ones(1).double()])
    torch.testing.assert_close(schedule.time(schedule.log_snr(times)), times, rtol=0, atol=1e-12)


def test_log_snr_inverts_time(schedule: NoiseSchedule, variant: str) -> None:
    clean, noisy = SNR_ENDS[variant]
    wanted = torch.linspace(noisy, clean, 301, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(schedule.time(wanted)), wanted, rtol=0, atol=1e-9)


def test_time_of_a_log_snr_beyond_the_ends_is_the_end(schedule: NoiseSchedule) -> None:
    assert schedule.time(torch.tensor([60.0, 25.0, -25.0, -60.0])).tolist() == [0, 0, 1, 1]


def test_alpha_and_sigma_have_the_log_snr(schedule: NoiseSchedule) -> None:
    level = schedule.level(torch.linspace(0, 1, 301, dtype=torch.float64))
    implied = 2 * (level.alpha.log() - level.sigma.log())
    torch.testing.assert_close(implied, level.log_snr, rtol=0, atol=1e-11)


def test_family(schedule: NoiseSchedule) -> None:
    level = schedule.level(torch.linspace(0, 1, 301, dtype=torch.float64))
    ones = torch.ones_like(level.alpha)
    invariant = {
        EdmSchedule: level.alpha,
        FlowSchedule: level.alpha + level.sigma,
    }.get(type(schedule), level.alpha**2 + level.sigma**2)
    torch.testing.assert_close(invariant, ones, rtol=0, atol=1e-14)


def test_derivative_is_that_of_finite_differences(schedule: NoiseSchedule) -> None:
    # 0.0137 keeps away from the corners of the interpolated tables of 7 and 1000 entries.
    times = torch.arange(1, 72, dtype=torch.float64) * 0.0137
    step = 1e-6
    numeric = (schedule.log_snr(times + step) - schedule.log_snr(times - step)) / (2 * step)
    torch.testing.assert_close(schedule.log_snr_derivative(times), numeric, rtol=1e-6, atol=0)


def test_derivative_works_without_gradients(schedule: NoiseSchedule) -> None:
    times = torch.tensor([0.25, 0.75], dtype=torch.float64)
    expected = schedule.log_snr_derivative(times)
    with torch.no_grad():
        assert torch.equal(schedule.log_snr_derivative(times), expected)


def test_the_type_and_shape_of_the_argument_come_back(schedule: NoiseSchedule) -> None:
    for dtype in (torch.float32, torch.float64):
        times = torch.rand(2, 3, dtype=dtype)
        level = schedule.level(times)
        results = (
            schedule.log_snr(times),
            schedule.time(times),
            schedule.log_snr_derivative(times),
            level.log_snr,
            level.alpha,
            level.sigma,
        )
        assert all(v.shape == (2, 3) and v.dtype == dtype for v in results)


def test_float32_is_the_rounded_float64(schedule: NoiseSchedule) -> None:
    times = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    exact = schedule.level(times.double())
    level = schedule.level(times)
    assert torch.equal(level.log_snr, exact.log_snr.float())
    assert torch.equal(level.alpha, exact.alpha.float())
    assert torch.equal(level.sigma, exact.sigma.float())


def test_perturb_mixes_data_and_noise_for_each_example(schedule: NoiseSchedule) -> None:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, 3, 4, 5, 2, generator=generator, dtype=torch.float64)
    times = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    z = schedule.perturb(x, times, noise)
    for row, time in enumerate(times):
        level = schedule.level(time)
        expected = level.alpha * x[row] + level.sigma * noise[row]
        torch.testing.assert_close(z[row], expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("name", "power"), [("cosine", 2), ("flow", 1)])
def test_alpha_and_sigma_near_one_are_exact(name: str, power: int) -> None:
    """α^power = sigmoid(power λ / 2); a softplus that turns linear at 20 is wrong by e^{-20}."""
    schedule = VARIANTS[name]
    log_snr = torch.tensor([19.0, 21.0, 44.0, 70.0], dtype=torch.float64)
    expected = -torch.log1p((-0.5 * power * log_snr).exp()) / power
    torch.testing.assert_close(schedule.log_alpha(log_snr), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(schedule.log_sigma(-log_snr), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_a_level_fits_its_data(shape: tuple[int, ...]) -> None:
    """λ of each example for a network, α and σ for products; one time may be given for one."""
    batch = max(shape, default=1)
    data = torch.zeros(batch, 2, 5)
    level = CosineSchedule().level_like(torch.full(shape, 0.5), data)
    assert level.log_snr.shape == (batch,)
    assert level.alpha.shape == level.sigma.shape == (batch, 1, 1)
