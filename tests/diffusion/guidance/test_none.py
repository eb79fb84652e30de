"""No guidance is the conditional model, whatever w."""

import torch

from genrl.diffusion.analytic import GaussianDenoiser
from genrl.diffusion.guidance import NoGuidance
from genrl.diffusion.schedules import CosineSchedule

F64 = torch.float64


def test_conditional_prediction_whatever_w() -> None:
    tables = torch.tensor([[1.0], [-1.0]], dtype=F64), torch.tensor([[0.3], [0.6]], dtype=F64)
    one = torch.ones(1, dtype=F64)
    model = GaussianDenoiser(CosineSchedule(), 0 * one, one, *tables)
    z, t = torch.tensor([[0.3], [0.5]], dtype=F64), torch.tensor([0.4, 0.6], dtype=F64)
    label = torch.tensor([0, 1])
    guided = NoGuidance(2)(model, z, t, label, torch.tensor([0.0, 9.0]))
    assert torch.equal(guided.x, model(z, t, label).x)
    assert torch.equal(guided.eps, model(z, t, label).eps)
    assert not torch.equal(guided.x, model(z, t).x)
