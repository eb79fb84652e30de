"""The sigmoid schedule in log-SNR.

ᾱ(u) = (sigmoid(e) - sigmoid(v)) / (sigmoid(e) - sigmoid(s)),  v = s + u (e - s)

with s = ``start`` / τ and e = ``end`` / τ. Differences of sigmoids are sinh((a-b)/2) / (2 cosh(a/2)
cosh(b/2)), so that

λ(u) = log sinh((e-v)/2) - log sinh((v-s)/2) + log cosh(s/2) - log cosh(e/2)

loses no digits at its ends, which are infinite: u runs between the given λ. Jabri et al. 2022,
algorithm 1 of appendix B, whose ᾱ is cut at 1e-9 instead.
"""

import math

import torch
from torch import Tensor

from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules

_FAR = 300  # e^(2 · 300) is a number of float64


@schedules.register("sigmoid")
class SigmoidSchedule(NoiseSchedule):
    """The signal ᾱ falls like a piece of a sigmoid, between the given log-SNR ends.

    λ(v) = log sinh((e-v)/2) - log sinh((v-s)/2) + log cosh(s/2) - log cosh(e/2)

    Args:
        start: where the piece begins.
        end: where it ends; above ``start``.
        tau: τ, positive; below 1 more of the time is spent near both ends.
        log_snr_min: λ at t = 1; the curve falls so steeply there that float32 times cannot tell
            levels far below -14 apart.
        log_snr_max: λ at t = 0.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max``, ``start >= end`` or ``tau`` is not positive;
            if ``start / tau``, ``end / tau`` or a log-SNR lies outside of [-300, 300].
    """

    def __init__(
        self,
        *,
        start: float = -3.0,
        end: float = 3.0,
        tau: float = 1.0,
        log_snr_min: float = -14.0,
        log_snr_max: float = 14.0,
    ) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        if start >= end or tau <= 0:
            raise ValueError(
                f"start < end and a positive tau are needed, not {start}, {end} and {tau}"
            )
        if not max(abs(start) / tau, abs(end) / tau, abs(log_snr_min), abs(log_snr_max)) <= _FAR:
            raise ValueError(
                f"start / tau, end / tau and the log-SNRs must be in [-{_FAR}, {_FAR}], not "
                f"{start} / {tau}, {end} / {tau}, {log_snr_min} and {log_snr_max}"
            )
        low, high = start / (2 * tau), end / (2 * tau)
        self.width = high - low
        self.constant = math.log(math.cosh(low) / math.cosh(high))
        # Halves of v - s and of e - v at both ends of t; each is exact where it is small.
        self.passed = tuple(self._part(-value) for value in (log_snr_max, log_snr_min))
        self.left = tuple(self._part(value, -1) for value in (log_snr_max, log_snr_min))

    def _part(self, log_ratio: float, side: int = 1) -> float:
        """Half of v - s (side 1, at λ = -log_ratio) or of e - v (side -1, at λ = log_ratio)."""
        ratio = math.exp(-log_ratio - side * self.constant)
        # The inverse hyperbolic tangent of sinh w / (ratio + cosh w), without its poles.
        return math.log1p(2 * math.sinh(self.width) / (ratio + math.exp(-self.width))) / 2

    def log_snr(self, t: Tensor) -> Tensor:
        time = t.double()
        left = self.left[0] * (1 - time) + self.left[1] * time
        passed = self.passed[0] * (1 - time) + self.passed[1] * time
        return (left.sinh().log() - passed.sinh().log() + self.constant).to(t.dtype)

    def time(self, log_snr: Tensor) -> Tensor:
        depth = log_snr.double() - self.constant
        rest, width = math.exp(-self.width), 2 * math.sinh(self.width)
        passed = (width / (depth.exp() + rest)).log1p() / 2 - self.passed[0]
        left = (width / ((-depth).exp() + rest)).log1p() / 2 - self.left[1]
        span = self.passed[1] - self.passed[0]
        # Each near its own end, where it is small and exact.
        time = torch.where(passed < left, passed / span, 1 - left / span)
        return time.clamp(0, 1).to(log_snr.dtype)
