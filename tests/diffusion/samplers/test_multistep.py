"""Linear multistep samplers against the integrals that they stand for, step by step."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.interpolate import BarycentricInterpolator

from genrl.diffusion.analytic import GaussianMixtureDenoiser
from genrl.diffusion.samplers import DDIMSampler, Sampler, SamplingState, samplers
from genrl.diffusion.schedules import FlowSchedule, NoiseSchedule, schedules
from genrl.diffusion.schedules.clock import Clock
from genrl.diffusion.time_grids import KarrasTimeGrid, QuadraticTimeGrid, UniformTimeGrid

F64 = torch.float64
NOISE = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
FIRST_ORDER = [
    {"name": "deis", "order": 1},
    {"name": "ipndm", "order": 1},
    {"name": "lms", "order": 1},
    {"name": "unipc", "order": 1, "use_corrector": False},
]


def mixture(schedule: NoiseSchedule) -> GaussianMixtureDenoiser:
    means = torch.tensor([[0.9, 0.1], [-0.8, 0.3]], dtype=F64)
    return GaussianMixtureDenoiser(schedule, means, torch.tensor([0.3, 0.2], dtype=F64))


@pytest.mark.parametrize("config", FIRST_ORDER, ids=lambda c: c["name"])
@pytest.mark.parametrize("name", schedules.names())
def test_first_order_is_ddim(name: str, config: dict[str, Any]) -> None:
    schedule = schedules.build(name)
    grid = UniformTimeGrid(schedule)
    found = samplers.build(config, schedule, grid).sample(mixture(schedule), NOISE, steps=12)
    ddim = DDIMSampler(schedule, grid).sample(mixture(schedule), NOISE, steps=12)
    assert torch.equal(found, ddim)


def step_at(sampler: Sampler, steps: int, index: int) -> tuple[torch.Tensor, SamplingState]:
    """The sampler's own step from ``index``, and the state that it saw."""
    trajectory = sampler.trajectory(mixture(sampler.schedule), NOISE, steps=steps)
    times = sampler.time_grid.times(steps)
    state = SamplingState(
        mixture(sampler.schedule), times, Clock(times, NOISE), sampler.plan(times), None, index
    )
    state.predictions = trajectory.predictions[:index]
    state.memory = trajectory.z[0]
    found = sampler.step(trajectory.z[index], trajectory.predictions[index], state)
    if index < steps - 1:
        torch.testing.assert_close(found, trajectory.z[index + 1], rtol=1e-14, atol=1e-14)
    return found, state


def integral(
    of: Callable[[float], float], through: list[float], values: list[float], ends: list[float]
) -> float:
    """∫ p(u) of(u) du with p the polynomial through the values."""
    polynomial = BarycentricInterpolator(through, values)
    return float(quad(lambda u: float(polynomial(u)) * of(u), *ends, epsabs=1e-13)[0])


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("dpm_solver_pp_3m", 3),
        ("deis", 2),
        ("deis", 3),
        ("lms", 2),
        ("lms", 4),
        ("ipndm", 3),
        ("ipndm", 4),
    ],
)
@pytest.mark.parametrize("schedule_name", ["cosine", "flow", "edm"])
def test_a_step_is_the_integral_of_the_polynomial(
    schedule_name: str, name: str, order: int
) -> None:
    """Numerically, in the variable of each method, on a grid of unequal steps."""
    schedule = schedules.build(schedule_name)
    config = {"name": name} if name == "dpm_solver_pp_3m" else {"name": name, "order": order}
    grid = KarrasTimeGrid(schedule, rho=4, sigma_min=0.01, sigma_max=20)
    sampler = samplers.build(config, schedule, grid)
    found, state = step_at(sampler, 9, 5)
    trajectory = sampler.trajectory(mixture(schedule), NOISE, steps=9)
    level = schedule.level(state.times)
    noise = (level.sigma / level.alpha).numpy()
    alpha, sigma = level.alpha.numpy(), level.sigma.numpy()
    past = list(range(5, 5 - order, -1))
    for row in range(4):
        z = trajectory.z[5][row, 0].item()
        x = [trajectory.predictions[i].x[row, 0].item() for i in past]
        eps = [trajectory.predictions[i].eps[row, 0].item() for i in past]
        if name == "dpm_solver_pp_3m":
            u = -np.log(noise)
            added = integral(math.exp, [u[i] for i in past], x, [u[5], u[6]])
            expected = sigma[6] * (z / sigma[5] + added)
        elif name == "deis":
            u = np.log(noise)
            added = integral(math.exp, [u[i] for i in past], eps, [u[5], u[6]])
            expected = alpha[6] * (z / alpha[5] + added)
        elif name == "lms":
            added = integral(lambda _: 1, [noise[i] for i in past], eps, [noise[5], noise[6]])
            expected = alpha[6] * (z / alpha[5] + added)
        else:
            u, norm = np.arctan(noise), np.hypot(alpha, sigma)
            through = [u[i] for i in past]
            added = integral(math.cos, through, eps, [u[5], u[6]])
            added -= integral(math.sin, through, x, [u[5], u[6]])
            expected = norm[6] * (z / norm[5] + added)
        assert found[row, 0].item() == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("name", ["dpm_solver_pp_3m", "deis", "lms", "ipndm"])
def test_the_start_takes_every_prediction_from_the_first_time(name: str) -> None:
    """Step 1 of a third-order method: from t_0 over two intervals, the straight line in φ."""
    schedule = schedules.build("flow")
    grid = UniformTimeGrid(schedule)
    sampler = samplers.build(name, schedule, grid)
    found, state = step_at(sampler, 6, 1)
    trajectory = sampler.trajectory(mixture(schedule), NOISE, steps=6)
    level = schedule.level(state.times)
    alpha, sigma = level.alpha.numpy(), level.sigma.numpy()
    u, norm = np.arctan(sigma / alpha), np.hypot(alpha, sigma)
    for row in range(4):
        x, eps = (
            [getattr(p, what)[row, 0].item() for p in trajectory.predictions[:2]]
            for what in ("x", "eps")
        )
        added = integral(math.cos, list(u[:2]), eps, [u[0], u[2]])
        added -= integral(math.sin, list(u[:2]), x, [u[0], u[2]])
        expected = norm[2] * (trajectory.z[0][row, 0].item() / norm[0] + added)
        assert found[row, 0].item() == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("name", ["dpm_solver_pp_3m", "deis", "lms", "ipndm", "unipc"])
def test_equal_levels_at_a_clamped_end_do_no_harm(name: str) -> None:
    """Close to its ends the flow schedule is clamped: several grid points have one λ."""
    schedule = FlowSchedule(log_snr_min=-8, log_snr_max=10)
    sampler = samplers.build(name, schedule, QuadraticTimeGrid(schedule))
    fine, finer = (sampler.sample(mixture(schedule), NOISE, steps=n) for n in (256, 512))
    torch.testing.assert_close(fine, finer, rtol=0, atol=5e-4)


@pytest.mark.parametrize("name", ["dpm_solver_pp_3m", "deis", "lms", "ipndm", "unipc"])
def test_float32_is_as_good_as_float64_from_the_largest_noise(name: str) -> None:
    """The first uniform step leaps from σ/α = 22026 to 20."""
    schedule = schedules.build("cosine")
    sampler = samplers.build(name, schedule, UniformTimeGrid(schedule))
    single = sampler.sample(mixture(schedule), NOISE.float(), steps=32)
    double = sampler.sample(mixture(schedule), NOISE, steps=32)
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "order", "highest"),
    [("deis", 0, 3), ("deis", 4, 3), ("lms", 5, 4), ("ipndm", 0, 4), ("unipc", 4, 3)],
)
def test_orders_beyond_the_method_are_refused(name: str, order: int, highest: int) -> None:
    schedule = FlowSchedule()
    with pytest.raises(ValueError, match=f"order must be from 1 to {highest}, not {order}"):
        samplers.get(name)(schedule, UniformTimeGrid(schedule), order=order)
