"""Quadrature with past nodes: moments against numerical integration, weights against a solve."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from genrl.diffusion.samplers.quadrature import (
    data_moments,
    exponential_moments,
    past_nodes,
    quadrature_weights,
)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.3, -0.7, 1.999, 2.001, -2.001, 6.7, -6.7, 20.0])
def test_exponential_moments(rate: float) -> None:
    """Relative to e^{rate} for a positive rate, where the integrand is that large."""
    for j, moment in enumerate(exponential_moments(rate, 4)):
        expected = quad(lambda u, j=j: u**j * math.exp(rate * u), 0, 1, epsabs=1e-15)[0]
        assert moment.imag == 0
        assert moment.real == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("turn", [-1.5, -0.02, 0.4])
def test_imaginary_rates_give_cosine_and_sine(turn: float) -> None:
    for j, moment in enumerate(exponential_moments(1j * turn, 4)):
        cosine, sine = (
            quad(lambda u, f=f, j=j: u**j * f(turn * u), 0, 1, epsabs=1e-15)[0]
            for f in (math.cos, math.sin)
        )
        assert moment == pytest.approx(complex(cosine, sine), abs=1e-14)


@pytest.mark.parametrize("half", [1e-4, 0.5, 10.0])
def test_data_moments_of_a_constant_are_ddims_factor(half: float) -> None:
    assert data_moments(half, 0.8, 1)[0] == pytest.approx(-0.8 * math.expm1(-half), rel=1e-13)


def test_weights_integrate_polynomials_exactly() -> None:
    nodes = [0.0, -0.7, -2.5, -2.9]
    moments = [m.real for m in exponential_moments(-1.3, 4)]
    expected = np.linalg.solve(np.vander(nodes, increasing=True).T, moments)
    np.testing.assert_allclose(quadrature_weights(nodes, moments), expected, rtol=1e-12)


def test_weights_of_equal_steps_are_those_of_adams_and_bashforth() -> None:
    found = quadrature_weights([0, -1, -2, -3], [1 / (j + 1) for j in range(4)])
    assert found == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24], rel=1e-14)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([-6, -5, -3, -1, 1.0], [0, -1, -2]),
        ([1, -1.0], [0]),
        ([-math.inf, -3, -1, 0.0], [0, -2]),
        ([-8, -3, -3, -1, 1.0], [0, -1]),
        ([-3, -1, -1.0], [0]),
        ([5, 4, 2, 0.0], [0, -1, -1.5]),
    ],
)
def test_nodes_as_far_as_they_are_usable(points: list[float], expected: list[float]) -> None:
    assert past_nodes(points, len(points) - 2, 3) == expected
