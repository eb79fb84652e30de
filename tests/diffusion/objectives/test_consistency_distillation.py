"""Consistency distillation: zero loss and zero gradient at the exact consistency function."""

import pytest
import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.denoiser import Denoiser
from genrl.diffusion.guidance import NoGuidance
from genrl.diffusion.objectives import ConsistencyDistillationObjective, Parts, objectives
from genrl.diffusion.parameterizations import parameterizations
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.diffusion.time_samplers import UniformTimeSampler
from genrl.diffusion.weightings import TruncatedSnrWeighting
from genrl.networks import MLP
from genrl.registry import ConfigurationError
from genrl.typing import DataSpec

F64 = torch.float64
SCHEDULE = CosineSchedule()
MEAN, STD = 0.7, 0.5


def parts() -> Parts:
    return Parts(
        SCHEDULE,
        TruncatedSnrWeighting(SCHEDULE),
        UniformTimeSampler(SCHEDULE),
        UniformTimeGrid(SCHEDULE),
        NoGuidance(0),
        0,
    )


def model() -> GaussianDenoiser:
    return GaussianDenoiser(
        SCHEDULE, torch.tensor([MEAN], dtype=F64), torch.tensor([STD], dtype=F64)
    )


def consistency_function(scale: torch.Tensor):
    """Where the flow of N(m, s²) carries z at t = 0: m + s (z - α m) / √(α² s² + σ²)."""

    def denoise(z, t, label=None, w=None) -> Prediction:
        at = SCHEDULE.level_like(t, z)
        x = MEAN + scale * STD * (z - at.alpha * MEAN) / torch.hypot(at.alpha * STD, at.sigma)
        return Prediction.from_x(x, z, at)

    return denoise


def exact_teacher(intervals: int):
    """A teacher whose DDIM step to the next point of the grid is the flow itself."""
    times, data = UniformTimeGrid(SCHEDULE).times(intervals), consistency_function(torch.ones(()))

    def denoise(z, t, label=None, w=None) -> Prediction:
        index = (times[:-1, None] - t).abs().argmin(dim=0)
        at, to = SCHEDULE.level_like(t, z), SCHEDULE.level_like(times[index + 1], z)
        ratio = to.sigma / at.sigma
        jump = (model().flow(z, t, times[index + 1]) - ratio * z) / (to.alpha - ratio * at.alpha)
        x = torch.where((index == intervals - 1)[:, None], data(z, t).x, jump)
        return Prediction.from_x(x, z, at)

    return denoise


def test_the_exact_consistency_function_has_neither_loss_nor_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    x = model().sample(512, generator)
    objective = ConsistencyDistillationObjective(parts(), intervals=18)
    scale = torch.ones((), dtype=F64, requires_grad=True)
    student = consistency_function(scale)
    loss = objective.at(0.3, student)(student, exact_teacher(18), x, None, generator)
    loss.loss.backward()
    assert loss.metrics["x_error"] < 1e-22
    assert scale.grad.abs() < 1e-8
    # The denoiser is another function, though its gradient vanishes under another loss.
    denoiser = model()
    wrong = objective.at(0.3, denoiser)(denoiser, exact_teacher(18), x, None, generator)
    assert wrong.metrics["x_error"] > 1e-4


def test_the_exact_function_is_what_the_flow_says() -> None:
    t = torch.linspace(0.02, 1, 9, dtype=F64)
    z = torch.linspace(-2, 2, 9, dtype=F64)[:, None]
    found = consistency_function(torch.ones((), dtype=F64))(z, t).x
    torch.testing.assert_close(found, model().flow(z, t, 0 * t), rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["v", "both", "edm"])
def test_boundary_condition_is_the_parameterizations(name: str) -> None:
    """x = z at the data, whatever the network says, up to the schedule's last σ (e^-10)."""
    parameterization = parameterizations.build(name)
    network = MLP(DataSpec((2,)), parameterization.num_outputs, features=16)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    z = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    denoiser = Denoiser(network, SCHEDULE, parameterization)
    assert (denoiser(z, torch.zeros(64)).x - z).abs().max() < 5e-3
    assert (denoiser(z, torch.full((64,), 0.5)).x - z).abs().max() > 0.1


def test_the_last_interval_is_the_teachers_prediction() -> None:
    """The chain is tied to data there: nothing else keeps a constant from being consistent."""
    generator = torch.Generator().manual_seed(0)
    x = model().sample(256, generator)

    def constant(z, t, label=None, w=None) -> Prediction:
        return Prediction.from_x(torch.zeros_like(z), z, SCHEDULE.level_like(t, z))

    objective = ConsistencyDistillationObjective(parts(), intervals=4)
    loss = objective.at(0, constant)(constant, exact_teacher(4), x, None, generator)
    assert loss.metrics["x_error"] > 0.05


def test_refuses_impossible_numbers() -> None:
    for numbers, complaint in (
        ({"intervals": 1}, "intervals must be at least 2"),
        ({"average_decay": -0.1}, "average_decay must be in"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            objectives.build({"name": "consistency_distillation", **numbers}, parts())
