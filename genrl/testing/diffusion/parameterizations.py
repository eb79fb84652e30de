"""Proof of a parameterization: what it reads off a perfect network's output is exact."""

import torch
from torch import Tensor

from genrl.diffusion.denoiser import Denoiser
from genrl.diffusion.parameterizations.base import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseLevel, NoiseSchedule
from genrl.networks.base import Network
from genrl.testing.diffusion.figures import Figures, require, require_small
from genrl.testing.diffusion.oracle import Oracle
from genrl.typing import Batch, Condition, Data, DataSpec, Labels

F64 = torch.float64


class IdealNetwork(Network):
    """Gives what a perfectly trained network would, in the terms of a parameterization.

    Args:
        oracle: of the data, without parameterizations of its own.
        parameterization: what the output means.
    """

    def __init__(self, oracle: Oracle, parameterization: Parameterization) -> None:
        super().__init__(DataSpec((1,), 2), parameterization.num_outputs)
        self.oracle, self.parameterization = oracle, parameterization

    def forward(
        self,
        z: Data,
        log_snr: Batch,
        label: Labels | None = None,
        w: Batch | None = None,
        condition: Condition | None = None,
    ) -> Data:
        schedule = self.oracle.schedule
        alpha, sigma = schedule.log_alpha(log_snr).exp(), schedule.log_sigma(log_snr).exp()
        level = NoiseLevel(log_snr, alpha[:, None], sigma[:, None])
        unscaled = z / self.parameterization.input_scale(level)
        exact = self.oracle.model(unscaled, log_snr, label)
        return self.parameterization.output(Prediction(exact.x, exact.eps, level))


@torch.no_grad()
def check_parameterization(parameterization: Parameterization, schedule: NoiseSchedule) -> Figures:
    """``prediction`` inverts ``output`` at every noise level, and α x + σ ε = z for any output.

    Also: x is what the prediction's form makes of its output; x, ε, v, score and velocity lead back
    to the prediction; and a `Denoiser` around a perfect network says what the closed form of
    Gaussian and mixture data says.

    Returns:
        The largest ``conversion_error`` (x and ε from ``output`` and back), ``round_trip_error``
        (through each of the five quantities), ``consistency_error`` (of z), ``form_error`` and
        ``denoiser_error``.

    Raises:
        CheckError: naming the first promise that is broken.
    """
    generator = torch.Generator().manual_seed(0)
    times = torch.linspace(0, 1, 161, dtype=F64)
    x, eps = torch.randn(2, len(times), 4, generator=generator, dtype=F64)
    level = schedule.level_like(times, x)
    z = level.alpha * x + level.sigma * eps
    exact = Prediction(x, eps, level)
    scale = torch.as_tensor(parameterization.input_scale(level))
    require(bool((scale.isfinite() & (scale > 0)).all()), "input_scale must be positive and finite")

    output = parameterization.output(exact)
    channels = parameterization.num_outputs * x.shape[1]
    require(
        output.shape == (len(x), channels),
        f"output has shape {tuple(output.shape)[1:]} for data of {x.shape[1]} channels, but "
        f"num_outputs is {parameterization.num_outputs}",
    )
    back = parameterization.prediction(output, z, level)
    figures = {"conversion_error": _difference(back, exact)}
    require_small(figures, "conversion_error", 1e-8, "prediction(output(x, ε)) is not x and ε")

    noise = torch.randn(output.shape, generator=generator, dtype=F64)
    found = parameterization.prediction(noise, z, level)
    # In the units of the larger term: an output that is no prediction may mean a huge x.
    size = (level.alpha * found.x).abs() + (level.sigma * found.eps).abs() + 1
    rebuilt = level.alpha * found.x + level.sigma * found.eps
    figures["consistency_error"] = ((rebuilt - z) / size).abs().max().item()
    require_small(figures, "consistency_error", 1e-8, "α x + σ ε of a prediction is not z")

    p, q = found.form(level.alpha, level.sigma)
    difference = level.alpha * (p * z + q * found.output - found.x)
    figures["form_error"] = (difference / size).abs().max().item()
    require_small(figures, "form_error", 1e-8, "x is not p z + q output, as its form says")

    figures["round_trip_error"] = _round_trips(back, z)
    require_small(figures, "round_trip_error", 1e-8, "x, ε, v, score or velocity leads elsewhere")

    figures["denoiser_error"] = _denoiser_error(parameterization, schedule, generator)
    require_small(figures, "denoiser_error", 1e-8, "a Denoiser with a perfect network is wrong")
    return figures


def _round_trips(prediction: Prediction, z: Data) -> float:
    level = prediction.level
    ways = (
        Prediction.from_x(prediction.x, z, level),
        Prediction.from_eps(prediction.eps, z, level),
        Prediction.from_v(prediction.v, z, level),
        Prediction.from_velocity(prediction.velocity, z, level),
        Prediction.from_eps(-level.sigma * prediction.score, z, level),
    )
    return max(_difference(way, prediction) for way in ways)


def _denoiser_error(
    parameterization: Parameterization, schedule: NoiseSchedule, generator: torch.Generator
) -> float:
    oracle = Oracle(schedule)
    denoiser = Denoiser(IdealNetwork(oracle, parameterization), schedule, parameterization)
    times = torch.linspace(0, 1, 82, dtype=F64)
    label = torch.arange(2).repeat(41)
    x, noise = torch.randn(2, len(times), 1, generator=generator, dtype=F64)
    z = schedule.perturb(x, times, noise)
    exact = oracle.model(z, schedule.log_snr(times), label)
    return _difference(denoiser(z, times, label), exact)


def _difference(found: Prediction, wanted: Prediction) -> float:
    """The larger of the errors in x and ε, each weighed by how much it moves z; NaN survives."""
    level = wanted.level
    alpha, sigma = level.alpha, level.sigma
    norm = torch.hypot(alpha, sigma)

    def worst(difference: Tensor) -> float:
        return difference.abs().max().item()

    return max(
        worst((found.x - wanted.x) * (alpha / norm).clamp(min=1e-3)),
        worst((found.eps - wanted.eps) * (sigma / norm).clamp(min=1e-3)),
    )
