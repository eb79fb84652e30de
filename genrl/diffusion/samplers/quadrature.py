"""Exact weights of past evaluations: a polynomial through them, integrated over the step.

A multistep method replaces what the denoiser says along a step by the polynomial through its values
at the step's start and before, in some variable u. With τ = (u - u_0) / h along the step,

    ∫_0^1 p(τ) w(τ) dτ = Σ_k c_k p(τ_k),  Σ_k c_k τ_k^j = ∫_0^1 τ^j w(τ) dτ = m_j

for steps of any size. Everything is arithmetic on Python's numbers: a step has four nodes at most,
too few for tensors.
"""

import cmath
import math
from collections.abc import Sequence


def exponential_moments(rate: complex, count: int) -> list[complex]:
    """m_j = ∫_0^1 τ^j e^{rate τ} dτ for j < count, to rounding.

    Args:
        rate: any finite number; for a real one so are the moments, an imaginary one gives those of
            cosine and sine.
        count: of moments.
    """
    if abs(rate) > 2:
        # By parts: m_j = (e^rate - j m_{j-1}) / rate, good where rate is not small against j.
        end = cmath.exp(rate)
        moments = [(end - 1) / rate]
        for j in range(1, count):
            moments.append((end - j * moments[-1]) / rate)
        return moments
    term, moments = 1 + 0j, [0j] * count
    for n in range(1, 28):
        for j in range(count):
            moments[j] += term / (n + j)
        term *= rate / n
    return moments


def data_moments(half: float, alpha: float, count: int) -> list[float]:
    """α_s half ∫ τ^j e^{-half (1 - τ)} dτ: what a polynomial of x in λ adds to z_s.

    Args:
        half: ½ (λ_s - λ_t).
        alpha: α_s.
        count: of moments.
    """
    scale = alpha * half * math.exp(-half)
    return [scale * moment.real for moment in exponential_moments(half, count)]


def quadrature_weights(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """c_k with Σ_k c_k τ_k^j = m_j for every j below the number of nodes.

    Args:
        nodes: τ_k, all different.
        moments: m_j, at least as many as nodes.
    """
    weights = []
    for k, node in enumerate(nodes):
        # Coefficients of the Lagrange polynomial that is 1 at this node and 0 at the others.
        polynomial = [1.0]
        for other in (*nodes[:k], *nodes[k + 1 :]):
            scale = node - other
            raised, lowered = [0.0, *polynomial], [*polynomial, 0.0]
            polynomial = [(a - other * b) / scale for a, b in zip(raised, lowered, strict=True)]
        weights.append(sum(c * m for c, m in zip(polynomial, moments, strict=False)))
    return weights


def past_nodes(points: Sequence[float], index: int, order: int) -> list[float]:
    """τ of the evaluations at ``index`` and before: 0 for the step's start, then negative numbers.

    Only as many as are usable: two points that a clamped schedule puts together, or an end at
    infinity, take no part, nor does anything before them.

    Args:
        points: the variable u at every time of the grid.
        index: of the step's start.
        order: how many are wanted at most.
    """
    step = points[index + 1] - points[index]
    nodes = [0.0]
    if step == 0 or not math.isfinite(step):
        return nodes
    for before in range(index - 1, max(index - order, -1), -1):
        node = (points[before] - points[index]) / step
        if not math.isfinite(node) or node >= nodes[-1]:
            break
        nodes.append(node)
    return nodes
