"""What a denoiser says of a noisy example, convertible exactly between x, ε, v, score and velocity.

z = α x + σ ε,  v = α ε - σ x,  score = -ε / σ,  velocity = ε - x

The pair (x, ε) is the state. Whoever makes a prediction knows the noisy z; one of the two follows
from the other through z, and dividing by the larger of α and σ is left to the constructor that
fits.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genrl.diffusion.forms import Form, eps_form, v_form, velocity_form, x_form
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data

Found = Callable[[], Data]


class Prediction:
    """Estimates of the clean data x and of the noise ε in z = α x + σ ε.

    Args:
        x: clean data, E[x | z]; or how to find it, where nobody may ask. Whatever it is found from
            must stay what it is.
        eps: noise, E[ε | z]; likewise.
        level: λ, α and σ of z, the last two broadcastable against x.
        is_renoised: whether ε was chosen apart from x, so that a sampler goes on from α x + σ ε and
            not from the z that the denoiser was given.
        output: what x follows from, x = p z + q output; None where that is x itself.
        form: p and q.
    """

    __slots__ = ("_eps", "_has_gradient", "_output", "_x", "form", "is_renoised", "level")

    def __init__(
        self,
        x: Data | Found,
        eps: Data | Found,
        level: NoiseLevel,
        is_renoised: bool = False,
        *,
        output: Data | Found | None = None,
        form: Form = x_form,
    ) -> None:
        self._x, self._eps, self._output = x, eps, output
        self.level, self.is_renoised, self.form = level, is_renoised, form
        self._has_gradient = torch.is_grad_enabled()

    @classmethod
    def from_x(cls, x: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """ε = (z - α x) / σ."""
        return cls(x, lambda: (z - level.alpha * x) / level.sigma, level)

    @classmethod
    def from_eps(cls, eps: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (z - σ ε) / α."""
        return cls(
            lambda: (z - level.sigma * eps) / level.alpha, eps, level, output=eps, form=eps_form
        )

    @classmethod
    def from_v(cls, v: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (α z - σ v) / (α² + σ²),  ε = (σ z + α v) / (α² + σ²): no division by one alone."""

        def norm() -> Tensor:
            return level.alpha**2 + level.sigma**2

        return cls(
            lambda: (level.alpha * z - level.sigma * v) / norm(),
            lambda: (level.sigma * z + level.alpha * v) / norm(),
            level,
            output=v,
            form=v_form,
        )

    @classmethod
    def from_velocity(cls, velocity: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (z - σ u) / (α + σ),  ε = (z + α u) / (α + σ) for u = ε - x."""
        return cls(
            lambda: (z - level.sigma * velocity) / (level.alpha + level.sigma),
            lambda: (z + level.alpha * velocity) / (level.alpha + level.sigma),
            level,
            output=velocity,
            form=velocity_form,
        )

    @property
    def x(self) -> Data:
        """The clean data."""
        if callable(self._x):
            self._x = self._now(self._x)
        return self._x

    @property
    def eps(self) -> Data:
        """The noise."""
        if callable(self._eps):
            self._eps = self._now(self._eps)
        return self._eps

    @property
    def output(self) -> Data:
        """What x follows from by `form`."""
        if self._output is None:
            return self.x
        if callable(self._output):
            self._output = self._now(self._output)
        return self._output

    def __repr__(self) -> str:
        return f"Prediction(x={self.x}, eps={self.eps}, level={self.level})"

    def _now(self, find: Found) -> Data:
        """As if it had been found when the prediction was made: with gradients, or without."""
        if torch.is_grad_enabled() == self._has_gradient:
            return find()
        with torch.set_grad_enabled(self._has_gradient):
            return find()

    def shifted(self, by: Data) -> "Prediction":
        """x + δ for the same z, so that ε falls by (α / σ) δ."""
        level = self.level
        return Prediction(self.x + by, lambda: self.eps - level.alpha / level.sigma * by, level)

    @property
    def v(self) -> Data:
        """α ε - σ x (Salimans & Ho 2022)."""
        return self.level.alpha * self.eps - self.level.sigma * self.x

    @property
    def score(self) -> Data:
        """∇ log p(z) = -ε / σ."""
        return -self.eps / self.level.sigma

    @property
    def velocity(self) -> Data:
        """ε - x, the flow-matching target for α = 1 - t, σ = t."""
        return self.eps - self.x
