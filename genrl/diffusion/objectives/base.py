"""The contract of a training objective: a loss for one batch, in plain torch."""

import abc
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from genrl.diffusion.denoiser import ConditionalDenoise
from genrl.diffusion.guidance.base import Guidance
from genrl.diffusion.noise import BatchGenerator, rand, randn
from genrl.diffusion.schedules.base import NoiseSchedule
from genrl.diffusion.time_grids.base import TimeGrid
from genrl.diffusion.time_samplers.base import TimeSampler
from genrl.diffusion.weightings.base import Weighting
from genrl.registry import Registry
from genrl.typing import Batch, Data, Labels

objectives: Registry["Objective"] = Registry("objective")


@dataclass(frozen=True)
class Parts:
    """The collaborators of an objective.

    Args:
        schedule: noise schedule of student and teacher.
        weighting: weight on the x-space error.
        time_sampler: distribution of t in training.
        time_grid: grid of the sampler that a progressive student is trained for.
        guidance: makes a guided teacher out of a conditional one.
        num_classes: of the data; also the label of the null class.
        num_levels: values that an entry of the data may take, equally spaced in [-1, 1]; None for
            real numbers.
    """

    schedule: NoiseSchedule
    weighting: Weighting
    time_sampler: TimeSampler
    time_grid: TimeGrid
    guidance: Guidance
    num_classes: int
    num_levels: int | None = None


@dataclass(frozen=True)
class Loss:
    """A loss and its parts.

    Args:
        loss: scalar to minimise.
        metrics: detached scalars to log.
    """

    loss: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)


class Objective(abc.ABC):
    """A loss of a student denoiser, with or without a frozen teacher.

    ``average_decay`` is that of the moving average of the student which teaches it too; 0 is the
    student as it is, None needs no average.
    """

    needs_teacher: bool = False
    average_decay: float | None = None
    trains_schedule: bool = False
    """Whether the loss is one that a learned schedule may follow; others would spoil it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @property
    def trainable(self) -> nn.Module | None:
        """What is trained beside the student, with its optimizer."""
        return self.parts.weighting.trainable

    def at(self, progress: float, average: ConditionalDenoise | None) -> "Objective":
        """The objective at a point of its stage; most are the same all the time.

        Args:
            progress: updates done as a share of the stage, in [0, 1).
            average: the moving average of the student, frozen; None without ``average_decay``.
        """
        return self

    @abc.abstractmethod
    def __call__(
        self,
        student: ConditionalDenoise,
        teacher: ConditionalDenoise | None,
        x: Data,
        label: Labels | None,
        generator: BatchGenerator,
    ) -> Loss:
        """The loss on a batch of clean data.

        Args:
            student: the denoiser that is trained.
            teacher: frozen, in eval mode; None where ``needs_teacher`` is False.
            x: clean data.
            label: classes, or None for data without labels.
            generator: on the device of x; every random number comes from it.
        """


def drop_labels(
    label: Labels | None, rate: float, num_classes: int, generator: BatchGenerator
) -> Labels | None:
    """The labels, each replaced by the null class with probability ``rate``."""
    if label is None:
        return None
    chance = rand(len(label), generator)
    return label.masked_fill(chance < rate, num_classes)


def check_label_dropout(label_dropout: float) -> None:
    """Check a probability.

    Raises:
        ValueError: if it is outside [0, 1].
    """
    if not 0 <= label_dropout <= 1:
        raise ValueError(f"label_dropout must be in [0, 1], not {label_dropout}")


def balance_w(weight: Tensor, w: Tensor | None, exponent: float) -> Tensor:
    """The loss weight divided by (1 + |w|)^exponent.

    A guided target is 1 + w times one prediction less w times another, so that its errors grow like
    1 + w and the largest weights would own the loss: exponent 2 makes all of them count alike.
    """
    return weight if w is None or exponent == 0 else weight / (1 + w.abs()) ** exponent


def x_loss(
    prediction: Data, target: Data, weight: Tensor, log_variance: Tensor | None = None
) -> Loss:
    """The weighted mean squared error.

    Its value is the mean over the batch of weight · mean over the example of (prediction -
    target)²; the metric ``x_error`` is the same without weight. A weighting's ``log_variance`` u
    makes it weight · error / e^u + u.
    """
    error = (prediction - target).square().flatten(1).mean(dim=1)
    loss = weight * error
    if log_variance is not None:
        loss = loss * torch.exp(-log_variance) + log_variance
    return Loss(loss.mean(), {"x_error": error.detach().mean()})


def uniform_w(w_min: float, w_max: float, batch: int, generator: BatchGenerator) -> Batch:
    """A guidance weight for each example, uniform in [w_min, w_max]."""
    return w_min + (w_max - w_min) * rand(batch, generator)


def noisy_start(
    schedule: NoiseSchedule,
    x: Data,
    t: Batch,
    w_range: tuple[float, float] | None,
    generator: BatchGenerator,
) -> tuple[Data, Batch | None]:
    """What a distilled student and its teacher are given: z at t, and w where it has a range.

    w is drawn first, then the noise.
    """
    w = None if w_range is None else uniform_w(*w_range, len(x), generator)
    noise = randn(x.shape, generator, dtype=x.dtype, device=x.device)
    return schedule.perturb(x, t, noise), w


def check_w(w_min: float, w_max: float) -> None:
    """Check a range of guidance weights.

    Raises:
        ValueError: if it is empty or reaches below -1, the unconditional model.
    """
    if not -1 <= w_min <= w_max:
        raise ValueError(
            f"guidance weights need -1 <= w_min <= w_max, not w_min = {w_min}, w_max = {w_max}"
        )


def check_decay(average_decay: float) -> None:
    """Check the decay of a teaching average.

    Raises:
        ValueError: if it is outside [0, 1).
    """
    if not 0 <= average_decay < 1:
        raise ValueError(f"average_decay must be in [0, 1), not {average_decay}")


def nested_times(time_grid: TimeGrid, steps: int, factor: int) -> Float64[Tensor, " points"]:
    """The teacher's grid of ``steps * factor`` steps; every ``factor``-th is the student's.

    Raises:
        ValueError: if ``steps < 1``, ``factor < 2``, or the grid of ``steps`` lies elsewhere.
    """
    if steps < 1 or factor < 2:
        raise ValueError(
            f"steps must be at least 1 and factor at least 2, not {steps} and {factor}"
        )
    times = time_grid.times(steps * factor)
    if not torch.allclose(times[::factor], time_grid.times(steps), rtol=0, atol=1e-9):
        raise ValueError(
            f"the grid of {steps} steps is no part of the grid of {steps * factor} steps, so "
            "the student cannot step where its teacher does; choose a time_grid that nests, "
            "such as uniform"
        )
    return times
