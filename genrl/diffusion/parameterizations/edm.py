"""EDM's preconditioning, at any schedule.

With σ̃ = σ / α, y = z / α and s = ``sigma_data`` the paper's

    D(y) = c_skip y + c_out F(c_in y),  c_skip = s² / (σ̃² + s²),  c_out = σ̃ s / √(σ̃² + s²),
    c_in = 1 / √(σ̃² + s²)

becomes, with n = σ² + α² s²,

    x = (α s² z + σ s √n F) / n,    ε = (σ z - α s √n F) / n,    input z / √n

in which neither α nor σ is divided by, and F = (σ x - α s² ε) / (s √n). F is -v for data scaled to
unit variance. The network sees λ, which stands for c_noise = -λ/8. Karras et al. 2022,
table 1 and appendix B.6.
"""

from torch import Tensor

from genrl.diffusion.parameterizations.base import Parameterization, parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel
from genrl.typing import Data


@parameterizations.register("edm")
class EdmParameterization(Parameterization):
    """The output F has unit variance when trained: x = c_skip y + c_out F; scales its input.

    x = (α s² z + σ s √n F) / n,  n = σ² + α² s²

    Args:
        sigma_data: s, standard deviation of the data, positive.

    Raises:
        ValueError: if ``sigma_data`` is not positive.
    """

    def __init__(self, *, sigma_data: float = 0.5) -> None:
        if sigma_data <= 0:
            raise ValueError(f"sigma_data must be positive, not {sigma_data}")
        self.sigma_data = sigma_data

    def input_scale(self, level: NoiseLevel) -> Tensor:
        return self._norm(level.alpha, level.sigma).rsqrt()

    def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
        norm = self._norm(level.alpha, level.sigma)

        def scaled() -> Data:
            return self.sigma_data * norm.rsqrt() * output

        return Prediction(
            lambda: self.sigma_data**2 * level.alpha * (z / norm) + level.sigma * scaled(),
            lambda: level.sigma * (z / norm) - level.alpha * scaled(),
            level,
            output=output,
            form=self.form,
        )

    def form(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """x = (α s² z + σ s √n F) / n."""
        norm = self._norm(alpha, sigma)
        return self.sigma_data**2 * alpha / norm, self.sigma_data * sigma * norm.rsqrt()

    def output(self, prediction: Prediction) -> Data:
        level, data = prediction.level, self.sigma_data
        scale = data * self._norm(level.alpha, level.sigma).sqrt()
        return (level.sigma * prediction.x - level.alpha * data**2 * prediction.eps) / scale

    def _norm(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """n, the variance of z for data of variance s²."""
        return sigma**2 + (self.sigma_data * alpha) ** 2
