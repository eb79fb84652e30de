"""Averages of any width: the profile's closed forms, and reconstruction against following it."""

import numpy as np
import pytest
from scipy.integrate import quad

from genrl.networks.power_average import (
    Profile,
    coefficients,
    decay,
    gamma_of,
    inner_products,
    profile_error,
    sigma_rel_of,
)

WIDTHS = (0.05, 0.1)


def followed(history: np.ndarray, sigma_rel: float) -> np.ndarray:
    """The average after each step by the recursion."""
    gamma, averages = gamma_of(sigma_rel), [history[0]]
    for step, value in enumerate(history, start=1):
        beta = decay(gamma, step)
        averages.append(beta * averages[-1] + (1 - beta) * value)
    return np.stack(averages[1:])


@pytest.mark.parametrize(("sigma_rel", "gamma"), [(0.05, 16.97), (0.1, 6.94)])
def test_exponents_of_the_paper(sigma_rel: float, gamma: float) -> None:
    assert gamma_of(sigma_rel) == pytest.approx(gamma, abs=0.005)


@pytest.mark.parametrize("sigma_rel", [0.01, 0.07, 0.2, 12**-0.5])
def test_the_width_is_the_standard_deviation_of_the_profile(sigma_rel: float) -> None:
    gamma = gamma_of(sigma_rel)
    moments = [quad(lambda x, k=k: (gamma + 1) * x ** (gamma + k), 0, 1)[0] for k in range(3)]
    assert moments[0] == pytest.approx(1)
    assert (moments[2] - moments[1] ** 2) ** 0.5 == pytest.approx(sigma_rel, rel=1e-6)
    assert sigma_rel_of(gamma) == pytest.approx(sigma_rel, rel=1e-9)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.3])
def test_widths_that_do_not_exist(sigma_rel: float) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 0\.289 of training"):
        gamma_of(sigma_rel)


def test_inner_products_by_quadrature() -> None:
    profiles = [Profile(t, gamma_of(s)) for t in (3.0, 10.0) for s in (0.05, 0.2)]
    found = inner_products(profiles, profiles)

    def p(profile: Profile, x: float) -> float:
        t, gamma = profile.step, profile.gamma
        return (gamma + 1) * (x / t) ** gamma / t if x <= t else 0.0

    for i, a in enumerate(profiles):
        for j, b in enumerate(profiles):
            end = min(a.step, b.step)
            exact = quad(lambda x, a=a, b=b: p(a, x) * p(b, x), 0, end, epsabs=1e-12)[0]
            assert found[i, j] == pytest.approx(exact, rel=1e-8)


def test_the_recursion_weighs_each_step_by_the_integral_of_the_profile() -> None:
    gamma, count = gamma_of(0.1), 50
    ends = np.arange(count + 1) / count
    shares = np.diff(ends ** (gamma + 1))
    for k in (0, 10, 49):
        history = np.zeros((count, 1))
        history[k] = 1
        assert followed(history, 0.1)[-1, 0] == pytest.approx(shares[k], rel=1e-9, abs=1e-15)


def test_stored_averages_are_found_again() -> None:
    stored = [Profile(t, gamma_of(s)) for t in (25.0, 50.0, 75.0, 100.0) for s in WIDTHS]
    assert profile_error(stored, stored[-1]) < 1e-6
    expected = np.eye(len(stored))[-1]
    np.testing.assert_allclose(coefficients(stored, stored[-1]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("sigma_rel", "bound"), [(0.05, 1e-5), (0.07, 0.003), (0.1, 1e-5), (0.15, 0.01), (0.2, 0.03)]
)
@pytest.mark.parametrize("precision", ["float64", "float16"])
def test_any_width_from_two_on_a_random_walk(
    sigma_rel: float, bound: float, precision: str
) -> None:
    """16 snapshots of two widths; the error beside how far the average lies from the end."""
    rng = np.random.default_rng(0)
    history = 1 + 0.01 * rng.normal(size=(1600, 64)).cumsum(axis=0)
    averages = {width: followed(history, width) for width in WIDTHS}
    steps = [100 * (k + 1) for k in range(16)]
    stored = [Profile(t, gamma_of(width)) for t in steps for width in WIDTHS]
    wanted = Profile(1600, gamma_of(sigma_rel))
    values = np.stack([averages[width][t - 1] for t in steps for width in WIDTHS])
    made = coefficients(stored, wanted) @ values.astype(precision).astype("float64")
    direct = followed(history, sigma_rel)[-1]
    scale = np.square(direct - history[-1]).mean() ** 0.5
    error = np.square(made - direct).mean() ** 0.5 / scale
    assert error < bound + (0.005 if precision == "float16" else 0)
    # The profile's own error is what the command tells, and is no less.
    assert error < 2 * profile_error(stored, wanted) + 0.005


def test_more_snapshots_are_nearer() -> None:
    wanted = Profile(1.0, gamma_of(0.2))
    errors = [
        profile_error([Profile((k + 1) / n, gamma_of(s)) for k in range(n) for s in WIDTHS], wanted)
        for n in (2, 4, 8, 16, 32)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.03
