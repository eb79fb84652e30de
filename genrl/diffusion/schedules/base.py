"""The contract of a noise schedule, and what follows from log-SNR alone.

z = α(t) x + σ(t) ε,  λ(t) = log(α² / σ²),  t in [0, 1]: t = 0 is data, t = 1 is noise.

Log-SNR λ is the only currency between schedules, parameterizations, weightings, samplers and
networks. A subclass says how λ depends on t; the family (variance preserving here; flow and
variance exploding override) says how α and σ depend on λ. Everything is computed in float64 and
returned in the type of the argument: near t = 1 the float32 spacing of t alone would move λ by
more than the table of a discrete schedule does.
"""

import abc
import functools
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from genrl.registry import Registry
from genrl.typing import Batch, Data

if TYPE_CHECKING:
    from genrl.diffusion.schedules.clock import Clock

schedules: Registry["NoiseSchedule"] = Registry("schedule")

running: ContextVar["Clock | None"] = ContextVar("running", default=None)


class NoiseLevel(NamedTuple):
    """How much noise an example carries: λ of each, with α and σ shaped to broadcast against data.

    All three are scalars, or of the shape of the times, where there is no data.
    """

    log_snr: Tensor
    alpha: Tensor
    sigma: Tensor


class NoiseSchedule(nn.Module, abc.ABC):
    """λ as a decreasing function of t, with α and σ of the variance-preserving family.

    α² = sigmoid(λ),  σ² = sigmoid(-λ)
    """

    @abc.abstractmethod
    def log_snr(self, t: Tensor) -> Tensor:
        """λ(t), of any shape; t in [0, 1]."""

    @abc.abstractmethod
    def time(self, log_snr: Tensor) -> Tensor:
        """The inverse of `log_snr`; λ beyond the ends gives the end."""

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        """log α as a function of λ."""
        return 0.5 * logsigmoid(log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        """log σ as a function of λ."""
        return 0.5 * logsigmoid(-log_snr)

    def log_snr_derivative(self, t: Tensor) -> Tensor:
        """dλ/dt, negative; by forward-mode differentiation of `log_snr`."""
        _load_forward_mode()
        derivative: Tensor = torch.func.jvp(self.log_snr, (t,), (torch.ones_like(t),))[1]
        return derivative

    def level(self, t: Tensor) -> NoiseLevel:
        """λ, α and σ at t, in the shape of t."""
        log_snr = self.log_snr(t.double())
        return NoiseLevel(
            log_snr.to(t.dtype),
            self.log_alpha(log_snr).exp().to(t.dtype),
            self.log_sigma(log_snr).exp().to(t.dtype),
        )

    def level_like(self, t: Batch, data: Data) -> NoiseLevel:
        """λ, α and σ at t, in the type of ``data``, α and σ shaped to broadcast against it.

        Computed once for all times of a running `Clock`.
        """
        if not torch.compiler.is_compiling():
            clock = running.get()
            if clock is not None and (known := clock.level(self, t, data)) is not None:
                return known
        level = self.level(t)
        shape = (-1,) + (1,) * (data.ndim - 1)
        log_snr, alpha, sigma = (value.to(data.dtype) for value in level)
        return NoiseLevel(log_snr.reshape(-1), alpha.reshape(shape), sigma.reshape(shape))

    def perturb(self, x: Data, t: Batch, noise: Data) -> Data:
        """z_t = α x + σ ε."""
        level = self.level_like(t, x)
        return level.alpha * x + level.sigma * noise


def require_falling(log_snr_min: float, log_snr_max: float) -> None:
    """Refuse a log-SNR range that is empty or upside down.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max``.
    """
    if log_snr_min >= log_snr_max:
        raise ValueError(
            f"log_snr_min ({log_snr_min}) must be below log_snr_max ({log_snr_max}): "
            "log-SNR falls from data to noise"
        )


@functools.cache
def _load_forward_mode() -> None:
    """Have torch compile its forward-mode rules, which warns of torch's own use of TorchScript."""
    with warnings.catch_warnings():
        for category in (FutureWarning, DeprecationWarning):  # of torch 2.14, of 2.11
            warnings.simplefilter("ignore", category)
        torch.func.jvp(torch.sin, (torch.zeros(()),), (torch.ones(()),))
