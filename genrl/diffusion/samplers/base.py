"""The contract of a sampler: the loop is here, a subclass writes one step and its plan.

A sampler goes down a time grid t_0 > ... > t_N = 0. It evaluates the denoiser at t_0 ... t_{N-1};
the last evaluation's x is the result, whatever noise the schedule leaves at t = 0. The numbers that
a step multiplies with depend on the grid alone: they are planned once in float64 on the CPU, so
that the loop holds operations on the data and nothing else.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from genrl.diffusion.noise import NoiseSource, randn
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.schedules.clock import Clock
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.registry import Registry
from genrl.typing import Batch, Data

samplers: Registry["Sampler"] = Registry("sampler")

EVEN_IN_LOG_SNR = {"name": "log_snr", "log_snr_min": -10.0, "log_snr_max": 12.0}

Denoise = Callable[[Data, Batch], Prediction]
Times = Float64[Tensor, " steps+1"]


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
        clock: ``times[i]`` for each example, in the type of the data and on its device.
        plan: what `Sampler.plan` made of the grid.
        generator: source of the sampler's noise.
        index: the step goes from ``times[index]`` to ``times[index + 1]``.
        predictions: those of the steps before, oldest first (multistep methods); the last four.
        memory: whatever a step left for the next one.
    """

    denoise: Denoise
    times: Tensor
    clock: Sequence[Batch]
    plan: Any
    generator: NoiseSource
    index: int = 0
    predictions: list[Prediction] = field(default_factory=list)
    memory: Any = None

    @property
    def time(self) -> Tensor:
        """Where the step starts: ``times[index]``."""
        return self.times[self.index]

    @property
    def next_time(self) -> Tensor:
        """Where the step goes: ``times[index + 1]``."""
        return self.times[self.index + 1]

    @property
    def planned(self) -> Any:
        """The entry of this step, of a plan that is a sequence of them."""
        return self.plan[self.index]

    def noise_like(self, z: Data) -> Data:
        """Fresh standard normal noise."""
        return randn(z.shape, self.generator, dtype=z.dtype, device=z.device)

    def denoise_next(self, z: Data) -> Prediction:
        """A further evaluation, at the time where the step goes."""
        return self.denoise(z, self.clock[self.index + 1])


class Sampler(abc.ABC):
    """Turns noise into data by evaluating a denoiser along a time grid.

    Args:
        schedule: α and σ of the denoiser's training.
        time_grid: where to evaluate.
        steps: number of grid intervals, unless a call says otherwise.

    Raises:
        ValueError: if ``steps < 1``.

    ``order`` is the order of convergence to the probability-flow ODE while the sampler adds no
    noise, on a grid that `TimeGrid.refines`. ``of_consistency`` is whether it samples a consistency
    model, whose x is the end of the flow and not the mean of the data.
    """

    order: int = 1
    of_consistency: ClassVar[bool] = False

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

    def plan(self, times: Times) -> Any:
        """What `step` needs of the grid: by default a list with the two times of each step.

        Entry i belongs to the step from ``times[i]`` to ``times[i + 1]``. Plain numbers (`rows`)
        make a fast loop, `Factors` a faster one. The last step is not taken, so its entry is read
        by `prepare` alone.
        """
        return list(pairwise(times.unbind()))

    @abc.abstractmethod
    def step(self, z: Data, prediction: Prediction, state: SamplingState) -> Data:
        """z at ``state.times[state.index + 1]`` from z and its prediction at this index.

        A new tensor: x and ε of a prediction may still have to be found from z.
        """

    def evaluation_times(self, times: Times) -> Float64[Tensor, " steps"]:
        """Where the denoiser is evaluated: the grid without its end; churn raises them."""
        return times[:-1]

    def prepare(self, z: Data, state: SamplingState) -> Data:
        """z as the denoiser will see it; churn adds noise."""
        return z

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
        times = self.time_grid.times(self.steps if steps is None else steps)
        evaluated = self.evaluation_times(times)
        z = noise * self.schedule.level(times[0]).sigma.item()
        on_grid = torch.equal(evaluated, times[:-1])
        clock = Clock(times if on_grid else torch.cat([times, evaluated]), z)
        first = 0 if on_grid else len(times)
        state = SamplingState(denoise, times, clock, self.plan(times), generator)
        result = Trajectory(z)
        last = len(evaluated) - 1
        with clock.running():
            for index in range(last + 1):
                state.index = index
                z = self.prepare(z, state)
                prediction = denoise(z, clock[first + index])
                if keep:
                    result.z.append(z)
                    result.predictions.append(prediction)
                if index == last:
                    break
                if prediction.is_renoised:
                    level = prediction.level
                    z = level.alpha * prediction.x + level.sigma * prediction.eps
                z = self.step(z, prediction, state)
                state.predictions = [*state.predictions[-3:], prediction]
        result.x = prediction.x
        result.times = evaluated.tolist() if keep else []
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


def rows(*columns: Tensor) -> list[tuple[float, ...]]:
    """Columns of numbers, one for each step, as one tuple of plain numbers for each step."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


def weighted_sum(*terms: tuple[float, Data]) -> Data:
    """Σ w_i d_i, with one new tensor for the result and one for each term after the first."""
    (weight, data), *others = terms
    total = data * weight
    for weight, data in others:
        # Not add_(data, alpha=weight): how torch rounds that depends on the place in memory, and so
        # a sample on its batch.
        total += data * weight
    return total
