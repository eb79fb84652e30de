"""Oscillating guidance: the weights of Imagen Video on its grid, and the same at random times."""

import pytest
import torch

from genrl.diffusion.guidance import ClassifierFreeGuidance, OscillatingGuidance, guidances
from genrl.diffusion.prediction import Prediction
from genrl.diffusion.schedules import CosineSchedule
from genrl.diffusion.time_grids import UniformTimeGrid
from genrl.registry import ConfigurationError

SCHEDULE = CosineSchedule()


def scales(guidance: OscillatingGuidance, t: torch.Tensor, w: float) -> list[float]:
    """1 + w as it is applied at each time: conditional x is 1, unconditional 0."""

    def model(z, t, label=None, w=None) -> Prediction:
        x = (label != 2).to(z)[:, None]
        return Prediction.from_x(x, z, SCHEDULE.level_like(t, z))

    label = torch.zeros(len(t), dtype=torch.long)
    z, weight = torch.zeros(len(t), 1, dtype=t.dtype), torch.full_like(t, w)
    return guidance(model, z, t, label, weight).x[:, 0].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [12, 64, 100])
def test_weights_of_the_paper(steps: int, dtype: torch.dtype) -> None:
    """[15] * k + [15, 1, 15, 1, ...]: the scales 15 and 1 are w = 14 and 0."""
    times = UniformTimeGrid(SCHEDULE).times(steps)[:-1].to(dtype)
    guidance = OscillatingGuidance(2, steps=steps, constant=5)
    expected = [15.0] * 5 + [15.0 if i % 2 == 0 else 1.0 for i in range(steps - 5)]
    assert scales(guidance, times, 14.0) == pytest.approx(expected)
    # One time after another, as a sampler asks, where the low ones need one evaluation.
    single = [scales(guidance, t[None], 14.0)[0] for t in times]
    assert single == pytest.approx(expected)
    costs = [guidance.evaluations_at(t.item(), 0.0) for t in times]
    assert costs == [2 if scale == 15 else 1 for scale in expected]


def test_a_share_of_w_in_the_low_steps(mixture) -> None:
    guidance = OscillatingGuidance(2, steps=4, constant=0, low=0.25)
    t = torch.tensor([0.9, 0.7, 0.6, 0.4, 0.3, 0.1], dtype=torch.float64)  # steps 0 1 1 2 2 3
    share = torch.tensor([1.0, 0.25, 0.25, 1.0, 1.0, 0.25], dtype=torch.float64)
    model, z, _, label, w = mixture.arguments
    expected = ClassifierFreeGuidance(2)(model, z, t, label, share * w)
    guided = guidance(model, z, t, label, w)
    assert torch.equal(guided.x, expected.x)
    assert torch.equal(guided.eps, expected.eps)
    assert guidance.evaluations_at(0.7, 0.0) == 2


def test_impossible_parameters_are_refused() -> None:
    for wrong in ({"steps": 0}, {"constant": -1}, {"low": 1.5}):
        with pytest.raises(ConfigurationError, match="steps must be at least 1"):
            guidances.build({"name": "oscillating", **wrong}, 2)
