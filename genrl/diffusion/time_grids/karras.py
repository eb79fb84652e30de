"""EDM's grid: noise levels equally spaced in σ̃^{1/ρ}, then the data.

σ̃_i = (σ̃_max^{1/ρ} + i / (N - 1) (σ̃_min^{1/ρ} - σ̃_max^{1/ρ}))^ρ,  i = 0 ... N - 1

where σ̃ = σ / α = e^{-λ/2}, the σ of EDM. The N evaluations go from the schedule's noisy end down
to its clean end; the last step is the jump from there to x, so without a restriction both of the
last two times are 0. Karras et al. 2022, equation 5.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid, require_steps, time_grids


@time_grids.register("karras")
class KarrasTimeGrid(TimeGrid):
    """Equal steps in σ̃^{1/ρ} where σ̃ = σ / α; more of them at low noise for larger ρ.

    σ̃_i = (σ̃_max^{1/ρ} + i / (N - 1) (σ̃_min^{1/ρ} - σ̃_max^{1/ρ}))^ρ

    Args:
        rho: ρ, positive.
        sigma_min: lowest σ̃ before the end; None, or a level that the schedule does not reach, is
            its clean end.
        sigma_max: first σ̃; None, or a level that the schedule does not reach, is its noisy end.

    Raises:
        ValueError: if ``rho``, ``sigma_min`` or ``sigma_max`` is not positive, or no range is left
            between the two.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        *,
        rho: float = 7.0,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
    ) -> None:
        super().__init__(schedule)
        for value, what in ((rho, "rho"), (sigma_min, "sigma_min"), (sigma_max, "sigma_max")):
            if value is not None and value <= 0:
                raise ValueError(f"{what} must be positive, not {value}")
        self.rho = rho
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self._range()

    def times(self, steps: int) -> Float64[Tensor, " steps+1"]:
        require_steps(steps)
        low, high = (sigma ** (1 / self.rho) for sigma in self._range())
        share = torch.arange(steps, dtype=torch.float64) / max(steps - 1, 1)
        sigma = (high * (1 - share) + low * share) ** self.rho
        times = self.schedule.time(-2 * sigma.log()).detach()
        if self.sigma_max is None:
            times[0] = 1.0
        if self.sigma_min is None and steps > 1:
            times[-1] = 0.0
        return torch.cat([times, times.new_zeros(1)])

    def _range(self) -> tuple[float, float]:
        """The lowest and the highest σ̃ that are evaluated."""
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        clean, noisy = (-self.schedule.log_snr(ends) / 2).exp().tolist()
        low = clean if self.sigma_min is None else max(self.sigma_min, clean)
        high = noisy if self.sigma_max is None else min(self.sigma_max, noisy)
        if low >= high:
            raise ValueError(
                f"sigma_min ({low:.6g}) must be below sigma_max ({high:.6g}); "
                f"the schedule reaches from {clean:.6g} to {noisy:.6g}"
            )
        return low, high
