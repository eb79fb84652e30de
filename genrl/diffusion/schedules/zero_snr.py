"""Another schedule, rescaled so that no signal is left at t = 1.

α'(t) = α_end + (α(t) - α(1)) (α(0) - α_end) / (α(0) - α(1)),  σ' = √(1 - α'²)

α(0) stays and α(1) becomes α_end = sigmoid(``log_snr_min``)^½. At α_end = 0 this is algorithm 1 of
Lin et al. 2024; λ would be -∞ there, which no network, grid or sampler can take, so α' keeps 4.5e-5
by default, which float32 cannot tell from nothing beside σ = 1. α stands for sigmoid(λ)^½ of the
variance-preserving family; a schedule of another family is rescaled in λ and keeps its family.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from genrl.diffusion.schedules.base import NoiseSchedule, schedules


@schedules.register("zero_snr")
class ZeroSnrSchedule(NoiseSchedule):
    """Terminal-SNR rescaling of any schedule: practically no signal is left at t = 1.

    α'(t) = α_end + (α(t) - α(1)) (α(0) - α_end) / (α(0) - α(1))

    Args:
        of: the schedule to rescale, by name.
        parameters: of that schedule; ``+schedule.parameters.beta_end=0.03`` sets one.
        log_snr_min: λ at t = 1; below -15 no signal is left in float32.

    Raises:
        ConfigurationError: if ``of`` or one of the parameters does not exist.
        ValueError: if ``log_snr_min`` is not below the data end, or ``of`` is ``zero_snr`` or a
            schedule that is trained.
    """

    def __init__(
        self,
        *,
        of: str = "scaled_linear",
        parameters: dict[str, Any] = {},  # noqa: B006  (the schema needs it; never changed)
        log_snr_min: float = -20.0,
    ) -> None:
        super().__init__()
        if of == "zero_snr":
            raise ValueError("of=zero_snr would be rescaled twice: name the schedule itself")
        self.inner = schedules.build({"name": of, **parameters})
        if any(True for _ in self.inner.parameters()):
            raise ValueError(f"of={of} is trained, which moves the ends that rescaling rests on")
        with torch.no_grad():
            ends = self.inner.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64))
        first, last = (_signal(value) for value in ends)
        lowest = _signal(torch.tensor(log_snr_min, dtype=torch.float64))
        if lowest[0] >= first[0]:
            raise ValueError(
                f"log_snr_min ({log_snr_min}) must be below the data end of {of}, {ends[0]:.3g}"
            )
        self.first_loss, self.last_alpha = first[1].item(), last[0].item()
        self.end_alpha = lowest[0].item()
        self.stretch = (first[0].item() - self.end_alpha) / (first[0].item() - self.last_alpha)

    def log_snr(self, t: Tensor) -> Tensor:
        alpha, loss = _signal(self.inner.log_snr(t.double()))
        alpha = self.end_alpha + (alpha - self.last_alpha) * self.stretch
        loss = self.first_loss + (loss - self.first_loss) * self.stretch
        return _log_snr(alpha, loss).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        alpha, loss = _signal(log_snr.double())
        alpha = self.last_alpha + (alpha - self.end_alpha) / self.stretch
        loss = self.first_loss + (loss - self.first_loss) / self.stretch
        # Beyond the ends there is no α of the inner schedule; its own ends are the answer.
        inside = _log_snr(alpha.clamp(min=self.last_alpha), loss.clamp(min=self.first_loss))
        time = self.inner.time(inside)
        time = torch.where(alpha <= self.last_alpha, 1.0, time)
        return torch.where(loss <= self.first_loss, 0.0, time).to(log_snr.dtype)

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return self.inner.log_alpha(log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return self.inner.log_sigma(log_snr)


def _signal(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """α = sigmoid(λ)^½ and 1 - α, the latter without cancellation."""
    log_alpha = 0.5 * logsigmoid(log_snr)
    return log_alpha.exp(), -torch.expm1(log_alpha)


def _log_snr(alpha: Tensor, loss: Tensor) -> Tensor:
    """log(α² / (1 - α²)) from α and 1 - α."""
    # Each where it keeps its digits: α at the noisy end, 1 - α at the clean end.
    log_alpha = torch.where(alpha < 0.5, alpha.log(), torch.log1p(-loss))
    return 2 * log_alpha - torch.log(loss * (2 - loss))
