"""A log-SNR that is learned together with the denoiser, as in variational diffusion models.

λ(t) = λ_max - (λ_max - λ_min) s(t),  s(t) = (r(t) - r(0)) / (r(1) - r(0))
r(t) = e^a t + Σ_k e^{w_k} sigmoid(e^{b_k} t + c_k)

r is a perceptron whose weights are positive, so that s rises from 0 to 1 whatever they are. The
continuous-time bound depends on the ends λ_max and λ_min alone: they are trained to lower it. What
lies between them only decides how much the estimate of the bound varies from time to time, and is
trained to lower that variance: ½ E[l²] has the gradient E[l ∂l], so each example's gradient is
multiplied by its loss l (over the mean loss) on its way back into s, and into nothing else. Kingma
et al. 2021, section 3.2 and appendix H.
"""

import math

import torch
from torch import Tensor, nn

from genrl import processes
from genrl.diffusion.schedules.base import NoiseSchedule, require_falling, schedules
from genrl.typing import Batch

_BISECTIONS = 45  # to 3e-14


@schedules.register("learned")
class LearnedSchedule(NoiseSchedule):
    """A monotone perceptron between two learned ends; it needs objective=variational to learn.

    λ(t) = λ_max - (λ_max - λ_min) s(t)

    It begins nearly linear. Its parameters do not ask for gradients until an objective that can
    train a schedule turns them on, so that other losses leave it as it is.

    Args:
        log_snr_min: λ at t = 1 where training begins.
        log_snr_max: λ at t = 0 where training begins.
        features: sigmoids in r.
        use_learned_ends: whether the ends are trained too.

    Raises:
        ValueError: if ``log_snr_min >= log_snr_max`` or ``features < 1``.
    """

    def __init__(
        self,
        *,
        log_snr_min: float = -5.0,
        log_snr_max: float = 13.3,
        features: int = 64,
        use_learned_ends: bool = True,
    ) -> None:
        super().__init__()
        require_falling(log_snr_min, log_snr_max)
        if features < 1:
            raise ValueError(f"features must be at least 1, not {features}")
        highest = torch.tensor(log_snr_max, dtype=torch.float64)
        log_span = torch.tensor(math.log(log_snr_max - log_snr_min), dtype=torch.float64)
        if use_learned_ends:
            self.highest, self.log_span = nn.Parameter(highest), nn.Parameter(log_span)
        else:
            self.register_buffer("highest", highest)
            self.register_buffer("log_span", log_span)
        # Equal sigmoids side by side add up to a straight line.
        centers = (torch.arange(features, dtype=torch.float64) + 0.5) / features
        log_steepness = torch.full_like(centers, math.log(2 * features))
        self.log_slope = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.log_weights = nn.Parameter(torch.full_like(centers, -math.log(features)))
        self.log_steepness = nn.Parameter(log_steepness)
        self.offsets = nn.Parameter(-centers * log_steepness.exp())
        self.requires_grad_(False)
        self._steering: Tensor | None = None

    def steer(self, losses: Batch) -> None:
        """Have the next backward pass lower the variance of these losses by the shape of λ.

        Args:
            losses: the unweighted terms whose mean is the loss, one for each example whose times
                this schedule was asked for, in their order; of this process, where several train.
        """
        losses = losses.detach().double()
        # Divided by the mean, so that the schedule's gradient is not larger than the network's.
        self._steering = losses / processes.mean(losses.mean())

    def log_snr(self, t: Tensor) -> Tensor:
        share = self._steered(self._rise(self._here(t))[0])
        return (self.highest - self.log_span.exp() * share).to(t)

    def log_snr_derivative(self, t: Tensor) -> Tensor:
        """dλ/dt, in closed form."""
        slope = self._steered(self._rise(self._here(t))[1])
        return (-self.log_span.exp() * slope).to(t)

    @torch.no_grad()
    def time(self, log_snr: Tensor) -> Tensor:
        """The inverse of `log_snr` by bisection, without a gradient."""
        wanted = (self.highest - self._here(log_snr)) / self.log_span.exp()
        low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            is_below = self._rise(middle)[0] < wanted
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        time = torch.where(wanted <= 0, 0.0, torch.where(wanted >= 1, 1.0, (low + high) / 2))
        return time.to(log_snr)

    def _here(self, values: Tensor) -> Tensor:
        """Where the weights are: samplers plan on the CPU, whatever the denoiser's device."""
        return values.double().to(self.offsets.device)

    def _rise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """s and ds/dt at t in float64."""
        slope, weights = self.log_slope.exp(), self.log_weights.exp()
        steepness = self.log_steepness.exp()

        def raw(t: Tensor) -> tuple[Tensor, Tensor]:
            activation = torch.sigmoid(steepness * t[..., None] + self.offsets)
            return slope * t + (weights * activation).sum(-1), activation

        ends, _ = raw(torch.tensor([0.0, 1.0], dtype=torch.float64, device=t.device))
        value, activation = raw(t)
        bends = (weights * steepness * activation * (1 - activation)).sum(-1)
        span = ends[1] - ends[0]
        return (value - ends[0]) / span, (slope + bends) / span

    def _steered(self, interior: Tensor) -> Tensor:
        """The same numbers; their gradient is multiplied by what `steer` has been told by then."""
        if interior.requires_grad and interior.ndim:
            interior.register_hook(self._turn)  # type: ignore[no-untyped-call]
        return interior

    def _turn(self, gradient: Tensor) -> Tensor:
        if self._steering is None or self._steering.shape != gradient.shape:
            return gradient
        return gradient * self._steering
