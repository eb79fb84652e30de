"""Averages of weights whose width can be chosen after training.

The average of width σ at step t weighs the weights of step τ <= t by the profile

    p(τ) = (γ + 1) τ^γ / t^{γ+1},   σ² = (γ + 1) / ((γ + 2)² (γ + 3)),

so that σ is the profile's standard deviation in units of t. It is followed by θ̄ ← β θ̄ + (1 - β) θ,
β = (1 - 1/t)^{γ+1}. Averages of a few widths, stored at a few steps, span many more: the one of any
width is the combination whose profile is nearest in least squares. Karras et al. 2024, Analyzing
and Improving the Training Dynamics of Diffusion Models, section 3 and appendix C.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

LARGEST = (1 / 12) ** 0.5  # of a uniform profile, γ = 0
Array = Float64[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class Profile:
    """A power function that ends at a step.

    Args:
        step: t, at least 1.
        gamma: γ >= 0.
    """

    step: float
    gamma: float


def gamma_of(sigma_rel: float) -> float:
    """The exponent γ of a relative width: the positive root of (γ + 2)² (γ + 3) = (γ + 1) / σ².

    Args:
        sigma_rel: σ in (0, 0.288].

    Raises:
        ValueError: if it is not.
    """
    if not 0 < sigma_rel <= LARGEST:
        raise ValueError(
            f"the width of an average is between 0 and {LARGEST:.3f} of training, not {sigma_rel}"
        )
    t = sigma_rel**-2
    return max(0.0, float(np.roots([1, 7, 16 - t, 12 - t]).real.max()))


def sigma_rel_of(gamma: float) -> float:
    """The relative width σ of an exponent γ."""
    return float(((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3))) ** 0.5)


def decay(gamma: float, step: int) -> float:
    """β of the update that becomes number ``step``, from 1; the first one forgets the start."""
    return float((1 - 1 / step) ** (gamma + 1))


def inner_products(a: Sequence[Profile], b: Sequence[Profile]) -> Array:
    """∫ p_a(τ) p_b(τ) dτ for each pair, in closed form.

    With t the smaller of the two steps and T the larger, γ the exponent of the latter:
    (γ_a + 1) (γ_b + 1) (t / T)^γ / ((γ_a + γ_b + 1) T).
    """
    step_a, gamma_a = (np.array([[getattr(p, key)] for p in a]) for key in ("step", "gamma"))
    step_b, gamma_b = (np.array([[getattr(p, key) for p in b]]) for key in ("step", "gamma"))
    last = np.maximum(step_a, step_b)
    exponent = np.where(step_a < step_b, gamma_b, gamma_a)
    ratio = (np.minimum(step_a, step_b) / last) ** exponent
    product = (gamma_a + 1) * (gamma_b + 1) * ratio / ((gamma_a + gamma_b + 1) * last)
    return np.asarray(product, dtype=np.float64)


def coefficients(stored: Sequence[Profile], wanted: Profile) -> Float64[np.ndarray, " stored"]:
    """What to multiply each stored average with; they sum to 1.

    Least squares between profiles. Of nearly equal ones none is blown up: singular values below
    1e-6 of the largest are left out, for stored weights are rounded.
    """
    norms = np.array([float(inner_products([p], [p])[0, 0]) ** 0.5 for p in stored])
    gram = inner_products(stored, stored) / np.outer(norms, norms)
    target = inner_products(stored, [wanted])[:, 0] / norms
    solution = np.linalg.lstsq(gram, target, rcond=1e-6)[0] / norms
    return np.asarray(solution / solution.sum(), dtype=np.float64)


def profile_error(stored: Sequence[Profile], wanted: Profile) -> float:
    """Relative error of the combined profile, √(∫ (Σ c p - p*)² / ∫ p*²)."""
    c = coefficients(stored, wanted)
    own = float(inner_products([wanted], [wanted])[0, 0])
    cross = float(c @ inner_products(stored, [wanted])[:, 0])
    square = float(c @ inner_products(stored, stored) @ c) - 2 * cross + own
    return float(max(0.0, square / own) ** 0.5)
