"""Classical mistakes in schedules, parameterizations, guidance and small parts, seen by a check."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genrl.diffusion.forms import v_form, velocity_form
from genrl.diffusion.guidance import ClassifierFreeGuidance, Guidance
from genrl.diffusion.parameterizations import Parameterization
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import (
    CosineSchedule,
    FlowSchedule,
    NoiseLevel,
    NoiseSchedule,
)
from genrl.diffusion.thresholding import StaticThresholding, Thresholding
from genrl.diffusion.time_grids import TimeGrid, UniformTimeGrid
from genrl.diffusion.time_samplers import TimeSampler, UniformTimeSampler
from genrl.diffusion.weightings import SnrWeighting, Weighting
from genrl.testing import (
    CheckError,
    check_guidance,
    check_parameterization,
    check_schedule,
    check_thresholding,
    check_time_grid,
    check_time_sampler,
    check_weighting,
)
from genrl.typing import Batch, Data


class Wrapped(NoiseSchedule):
    """Cosine with some methods replaced."""

    def __init__(self, **methods: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.methods = CosineSchedule(log_snr_min=-9.0, log_snr_max=9.0), methods

    def _call(self, name: str, value: Tensor) -> Tensor:
        result: Tensor = (self.methods.get(name) or getattr(self.inner, name))(value)
        return result

    def log_snr(self, t: Tensor) -> Tensor:
        return self._call("log_snr", t)

    def time(self, log_snr: Tensor) -> Tensor:
        return self._call("time", log_snr)

    def log_alpha(self, log_snr: Tensor) -> Tensor:
        return self._call("log_alpha", log_snr)

    def log_sigma(self, log_snr: Tensor) -> Tensor:
        return self._call("log_sigma", log_snr)

    def log_snr_derivative(self, t: Tensor) -> Tensor:
        return self._call("log_snr_derivative", t)


INNER = CosineSchedule(log_snr_min=-9.0, log_snr_max=9.0)


def swapped(name: str) -> Callable[[Tensor], Tensor]:
    return lambda log_snr: getattr(INNER, name)(-log_snr)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"log_snr": lambda t: INNER.log_snr(1 - t)}, "must fall"),
        ({"log_snr": lambda t: INNER.log_snr(t) + 0.5 * (40 * t).sin()}, "must fall everywhere"),
        ({"log_snr": lambda t: INNER.log_snr(t) / 0}, "not finite"),
        ({"log_snr": lambda t: INNER.log_snr(t) / 2}, "does not invert"),
        ({"time": lambda value: INNER.time(value) ** 1.001}, "does not invert"),
        ({"time": lambda value: INNER.time(value.clamp(-8.9, 8.9))}, "does not invert"),
        ({"log_alpha": swapped("log_alpha"), "log_sigma": swapped("log_sigma")}, "not log-SNR"),
        ({"log_alpha": lambda value: 2 * INNER.log_alpha(value)}, "not log-SNR"),
        ({"log_snr_derivative": lambda t: -INNER.log_snr_derivative(t)}, "slope"),
        ({"log_snr_derivative": lambda t: INNER.log_snr_derivative(t) * 1.01}, "slope"),
    ],
)
def test_a_wrong_schedule_is_found(
    methods: dict[str, Callable[[Tensor], Tensor]], message: str
) -> None:
    check_schedule(Wrapped())
    with pytest.raises(CheckError, match=message):
        check_schedule(Wrapped(**methods))


def test_a_schedule_computed_in_float32_is_found() -> None:
    def log_snr(t: Tensor) -> Tensor:
        return INNER.log_snr(t.float()).to(t.dtype)

    with pytest.raises(CheckError, match="invert"):
        check_schedule(Wrapped(log_snr=log_snr))


Read = Callable[[Data, Data, NoiseLevel], tuple[Data, Data]]


def parameterization_with(read: Read) -> Parameterization:
    """v, with another way of reading it."""

    class MadeParameterization(Parameterization):
        def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
            return Prediction(*read(output, z, level), level)

        def output(self, prediction: Prediction) -> Data:
            return prediction.v

    return MadeParameterization()


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(
            lambda v, z, n: (n.alpha * z + n.sigma * v, n.sigma * z - n.alpha * v), id="sign of v"
        ),
        pytest.param(
            lambda v, z, n: (n.sigma * z - n.alpha * v, n.alpha * z + n.sigma * v), id="α and σ"
        ),
        pytest.param(lambda v, z, n: (n.alpha * z - n.sigma * v, v), id="ε forgotten"),
        pytest.param(lambda v, z, n: ((z - n.sigma * v) / n.alpha, v), id="read as ε"),
    ],
)
def test_a_wrong_parameterization_is_found(read: Read) -> None:
    def right(v: Data, z: Data, n: NoiseLevel) -> tuple[Data, Data]:
        return n.alpha * z - n.sigma * v, n.sigma * z + n.alpha * v

    check_parameterization(parameterization_with(right), CosineSchedule())
    with pytest.raises(CheckError, match=r"is not x and ε"):
        check_parameterization(parameterization_with(read), CosineSchedule())


def test_a_norm_that_only_variance_preservation_spares_is_found() -> None:
    def read(v: Data, z: Data, n: NoiseLevel) -> tuple[Data, Data]:
        return n.alpha * z - n.sigma * v, n.sigma * z + n.alpha * v

    with pytest.raises(CheckError, match=r"is not x and ε"):
        check_parameterization(parameterization_with(read), FlowSchedule())


def test_a_form_that_is_not_that_of_the_output_is_found() -> None:
    class MadeParameterization(Parameterization):
        def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
            right = Prediction.from_v(output, z, level)
            return Prediction(right.x, right.eps, level, output=output, form=form)

        def output(self, prediction: Prediction) -> Data:
            return prediction.v

    form = v_form
    assert check_parameterization(MadeParameterization(), FlowSchedule())["form_error"] < 1e-12
    form = velocity_form
    with pytest.raises(CheckError, match=r"p z \+ q output"):
        check_parameterization(MadeParameterization(), FlowSchedule())


def test_an_input_scale_that_is_not_finite_is_found() -> None:
    class MadeParameterization(Parameterization):
        def input_scale(self, level: NoiseLevel) -> Tensor:
            return 1 / (level.sigma - level.sigma.amin())

        def prediction(self, output: Data, z: Data, level: NoiseLevel) -> Prediction:
            return Prediction.from_x(output, z, level)

        def output(self, prediction: Prediction) -> Data:
            return prediction.x

    with pytest.raises(CheckError, match="input_scale"):
        check_parameterization(MadeParameterization(), CosineSchedule())


def guidance_with(
    combine: Callable[[Prediction, Prediction, Tensor], tuple[Data, Data]], evaluations: int = 2
) -> Guidance:
    class MadeGuidance(Guidance):
        def __call__(self, denoiser: Any, z: Data, t: Batch, label: Any, w: Batch) -> Prediction:
            null = torch.full_like(label, self.num_classes)
            given, free = denoiser(z, t, label), denoiser(z, t, null)
            weight = w.reshape(-1, *(1,) * (z.ndim - 1))
            return Prediction(*combine(given, free, weight), given.level)

    MadeGuidance.evaluations = evaluations
    return MadeGuidance(2)


def mixed(of_given: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Data, Data]]:
    def combine(given: Prediction, free: Prediction, w: Tensor) -> tuple[Data, Data]:
        share = of_given(w)
        x = share * given.x + (1 - share) * free.x
        return x, share * given.eps + (1 - share) * free.eps

    return combine


def test_wrong_guidance_is_found() -> None:
    check_guidance(ClassifierFreeGuidance(2))
    check_guidance(guidance_with(mixed(lambda w: 1 + w)))
    with pytest.raises(CheckError, match="w = 0 is not the conditional model"):
        check_guidance(guidance_with(mixed(lambda w: w)))
    with pytest.raises(CheckError, match="depends on its batch"):
        check_guidance(guidance_with(mixed(lambda w: 1 + w * w.amax())))
    with pytest.raises(CheckError, match="null class guided against itself"):
        check_guidance(
            guidance_with(lambda given, free, w: ((1 + w) * given.x, (1 + w) * given.eps))
        )
    with pytest.raises(CheckError, match=r"α x \+ σ ε is not z"):
        check_guidance(
            guidance_with(lambda given, free, w: (given.x + w * (given.x - free.x), given.eps))
        )
    with pytest.raises(CheckError, match="2 evaluations, but evaluations says 1"):
        check_guidance(guidance_with(mixed(lambda w: 1 + w), evaluations=1))


def test_wrong_small_parts_are_found() -> None:
    schedule = CosineSchedule()

    class Rising(TimeGrid):
        def times(self, steps: int) -> Tensor:
            if steps < 1:
                raise ValueError("no steps")
            return torch.linspace(0, 1, steps + 1, dtype=torch.float64)

    class Short(TimeGrid):
        def times(self, steps: int) -> Tensor:
            return UniformTimeGrid(self.schedule).times(max(steps, 1))[:-1]

    class Negative(Weighting):
        def __call__(self, t: Batch) -> Batch:
            return self.schedule.log_snr(t)

    class Infinite(Weighting):
        def __call__(self, t: Batch) -> Batch:
            return 1 / t

    class Seedless(TimeSampler):
        def sample(self, batch: int, generator: torch.Generator) -> Batch:
            return torch.rand(batch)

    class Wide(TimeSampler):
        def sample(self, batch: int, generator: torch.Generator) -> Batch:
            return 2 * torch.rand(batch, generator=generator)

    class Joint(Thresholding):
        def limit(self, x: Data) -> Data:
            return x / x.abs().max().clamp(min=1)

    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: check_time_grid(Rising(schedule)), "ends at 1, not at 0"),
        (lambda: check_time_grid(Short(schedule)), "0 steps must be a ValueError"),
        (lambda: check_weighting(Negative(schedule)), "negative"),
        (lambda: check_weighting(Infinite(schedule)), "not finite"),
        (lambda: check_time_sampler(Seedless(schedule)), "same generator"),
        (lambda: check_time_sampler(Wide(schedule)), "leave"),
        (lambda: check_thresholding(Joint()), "others of its batch"),
    ]
    for check, message in cases:
        with pytest.raises(CheckError, match=message):
            check()
    check_time_grid(UniformTimeGrid(schedule))
    check_weighting(SnrWeighting(schedule))
    check_time_sampler(UniformTimeSampler(schedule))
    check_thresholding(StaticThresholding())
