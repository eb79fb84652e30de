"""The contract of a sampler: the loop is here, a subclass writes one step.

A sampler goes down a time grid t_0 > ... > t_N = 0. It evaluates the denoiser at t_0 ... t_{N-1};
the last evaluation's x is the result, whatever noise the schedule leaves at t = 0.
"""

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genrl.diffusion.noise import NoiseSource, randn
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.registry import Registry
from genrl.typing import Batch, Data

samplers: Registry["Sampler"] = Registry("sampler")

EVEN_IN_LOG_SNR = {"name": "log_snr", "log_snr_min": -10.0, "log_snr_max": 12.0}

Denoise = Callable[[Data, Batch], Prediction]


@dataclass
class Trajectory:
    """The result x, and for each evaluation its time, noisy input and prediction."""

    x: Tensor
    times: list[float] = field(default_factory=list)
    z: list[Tensor] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)


@dataclass
class SamplingState:
    """What a step may look at.

    Args:
        denoise: the denoiser with its condition bound.
        times: the grid, float64, on the CPU.
        index: the step goes from ``times[index]`` to ``times[index + 1]``.
        time: where the denoiser was evaluated, ``times[index]`` unless `Sampler.prepare` moved it.
        generator: source of the sampler's noise.
        predictions: those of the steps before, oldest first (multistep methods).
    """

    denoise: Denoise
    times: Tensor
    index: int
    time: Tensor
    generator: NoiseSource
    predictions: list[Prediction] = field(default_factory=list)

    @property
    def next_time(self) -> Tensor:
        """Where the step goes: ``times[index + 1]``."""
        return self.times[self.index + 1]

    def noise_like(self, z: Data) -> Data:
        """Fresh standard normal noise."""
        return randn(z.shape, self.generator, dtype=z.dtype, device=z.device)


class Sampler(abc.ABC):
    """Turns noise into data by evaluating a denoiser along a time grid.

    Args:
        schedule: α and σ of the denoiser's training.
        time_grid: where to evaluate.
        steps: number of grid intervals, unless a call says otherwise.

    Raises:
        ValueError: if ``steps < 1``.

    ``order`` is the order of convergence to the probability-flow ODE while the sampler adds no
    noise, on a grid that `TimeGrid.refines`.
    """

    order: ClassVar[int] = 1

    def __init__(self, schedule: NoiseSchedule, time_grid: TimeGrid, *, steps: int = 64) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.schedule = schedule
        self.time_grid = time_grid
        self.steps = steps

    @classmethod
    def default_time_grid(cls) -> Mapping[str, Any] | str:
        """The grid to take where none is chosen, as `Registry.build` takes it.

        Equal steps in time for first order, which the ladder of distillation needs; in λ above it,
        from σ̃ = σ/α = 148 (the noisy end of DDPM's table) to 0.0025 (the rounding of 8 bits).
        """
        return "uniform" if cls.order == 1 else dict(EVEN_IN_LOG_SNR)

    def objection(self) -> str | None:
        """Why this sampler makes no sense on its schedule and grid, with the way out; or None.

        `genrl verify` names the combination with this reason instead of measuring it, and
        `building.build_sampler` warns of it.
        """
        if self.order > 1 and not self.time_grid.refines():
            return (
                f"order {self.order} needs steps in log-SNR that shrink as they become more, "
                "which on this schedule they do not: take time_grid=log_snr"
            )
        return None

    @property
    def is_stochastic(self) -> bool:
        """Whether the sampler adds noise on the way, with its parameters as they are."""
        return False

    def evaluations(self, steps: int | None = None) -> int:
        """How often the denoiser is called for each sample; None takes the sampler's own steps."""
        return self.steps if steps is None else steps

    @abc.abstractmethod
    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        """z at ``state.next_time`` from z and the prediction at ``state.time``."""

    def prepare(self, z: Data, state: SamplingState) -> tuple[Data, Tensor]:
        """Where the denoiser is evaluated: z and its time (scalar, float64); churn raises both."""
        return z, state.times[state.index]

    @torch.no_grad()
    def trajectory(
        self,
        denoise: Denoise,
        noise: Data,
        *,
        steps: int | None = None,
        generator: NoiseSource = None,
        keep: bool = True,
    ) -> Trajectory:
        """Sample and keep every evaluation.

        Args:
            denoise: maps (z, t) to a `Prediction`; t has one entry for each example.
            noise: standard normal; it is scaled by σ(t_0) here.
            steps: number of grid intervals; None takes the sampler's own.
            generator: source of noise for stochastic samplers.
            keep: whether the result holds the evaluations or only x.
        """
        steps = self.steps if steps is None else steps
        times = self.time_grid.times(steps)
        state = SamplingState(denoise, times, 0, times[0], generator)
        z = noise * self.schedule.level(times[0]).sigma.item()
        result = Trajectory(z)
        for index in range(steps):
            state.index = index
            z, state.time = self.prepare(z, state)
            prediction = denoise(z, expand(state.time, z))
            if keep:
                result.times.append(state.time.item())
                result.z.append(z)
                result.predictions.append(prediction)
            if index == steps - 1:
                result.x = prediction.x
            else:
                z = self.step(z, prediction, state)
            state.predictions = [*state.predictions[-3:], prediction]
        return result

    def sample(
        self,
        denoise: Denoise,
        noise: Data,
        *,
        steps: int | None = None,
        generator: NoiseSource = None,
    ) -> Data:
        """Samples x; arguments as for `trajectory`."""
        return self.trajectory(denoise, noise, steps=steps, generator=generator, keep=False).x


def expand(t: Tensor, z: Data) -> Batch:
    """A scalar time as one entry for each example, on z's device; float32 unless z is float64."""
    dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    return t.to(device=z.device, dtype=dtype).expand(z.shape[0])
