"""What a denoiser says of a noisy example, convertible exactly between x, ε, v, score and velocity.

z = α x + σ ε,  v = α ε - σ x,  score = -ε / σ,  velocity = ε - x

The pair (x, ε) is the state. Whoever makes a prediction knows the noisy z; one of the two follows
from the other through z, and dividing by the larger of α and σ is left to the constructor that
fits.
"""

from dataclasses import dataclass

from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@dataclass(frozen=True)
class Prediction:
    """Estimates of the clean data x and of the noise ε in z = α x + σ ε.

    Args:
        x: clean data, E[x | z].
        eps: noise, E[ε | z].
        level: λ, α and σ of z, broadcastable against x.
        is_renoised: whether ε was chosen apart from x, so that a sampler goes on from α x + σ ε and
            not from the z that the denoiser was given.
    """

    x: Data
    eps: Data
    level: NoiseLevel
    is_renoised: bool = False

    @classmethod
    def from_x(cls, x: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """ε = (z - α x) / σ."""
        return cls(x, (z - level.alpha * x) / level.sigma, level)

    @classmethod
    def from_eps(cls, eps: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (z - σ ε) / α."""
        return cls((z - level.sigma * eps) / level.alpha, eps, level)

    @classmethod
    def from_v(cls, v: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (α z - σ v) / (α² + σ²),  ε = (σ z + α v) / (α² + σ²): no division by one alone."""
        norm = level.alpha**2 + level.sigma**2
        x = (level.alpha * z - level.sigma * v) / norm
        return cls(x, (level.sigma * z + level.alpha * v) / norm, level)

    @classmethod
    def from_velocity(cls, velocity: Data, z: Data, level: NoiseLevel) -> "Prediction":
        """x = (z - σ u) / (α + σ),  ε = (z + α u) / (α + σ) for u = ε - x."""
        norm = level.alpha + level.sigma
        x = (z - level.sigma * velocity) / norm
        return cls(x, (z + level.alpha * velocity) / norm, level)

    def shifted(self, by: Data) -> "Prediction":
        """x + δ for the same z, so that ε falls by (α / σ) δ."""
        return Prediction(
            self.x + by, self.eps - self.level.alpha / self.level.sigma * by, self.level
        )

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
